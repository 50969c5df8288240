"""Admits a rig to the fleet: makes its keys, remembers it, and writes its configuration."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from controller import keys
from controller.core.model import RigRecord
from controller.ports import Store
from controller.settings import Settings
from wire import model, zeromq
from wire.configfile import ConfigError

HINT = """\
# Configuration of rig {rig}, made by `rigshift-controller enroll`.
#
# 1. Copy this folder to the rig, readable by root only.
# 2. List under `groups` the GPUs that are switched together and all that may ever run on them;
#    `rigshift-agent telemetry --once` shows the UUIDs. An example stands at the end.
# 3. As root: rigshift-agent install --enrolment FOLDER
# 4. rigshift-agent doctor
"""

EXAMPLE = """
# groups:
#   - name: g0
#     gpus: [GPU-11111111-2222-3333-4444-555555555555]
#     offline: keep            # or idle, or safe with safe_workload
#     workloads:
#       - name: etc
#         kind: mining
#         driver: xmrig
#         command: [/opt/miner/xmrig, --config, /etc/miner/etc.json]
#         api_url: http://127.0.0.1:18080
#       - name: llama
#         kind: inference
#         driver: openai
#         command: [/opt/vllm/bin/vllm, serve, my/model, --port, "18000"]
#         api_url: http://127.0.0.1:18000
#         model: my/model
"""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolling a rig made."""

    record: RigRecord
    folder: Path
    """`agent.yaml` and the rig's secret."""
    broker_note: str
    """What the broker's operator must add; empty over ZeroMQ."""


def enroll(
    settings: Settings, store: Store, record: RigRecord, folder: Path, endpoint: str
) -> Enrolled:
    """Admit a rig.

    Args:
        settings: The controller's own.
        store: Where the rig is remembered.
        record: The rig; its key is filled in here.
        folder: Where its configuration is written; must not exist.
        endpoint: Address of the controller for the rig; empty: from the settings.

    Raises:
        ConfigError: The rig is known already, its site or class is not, or the folder exists.
        StoreError: It could not be remembered; nothing was admitted.
    """
    _check(settings, store, record)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; name another with --out") from error
    own = keys.load(settings.state_dir)
    try:
        public_key, note = _write(settings, record.rig, folder, own, endpoint)
    except OSError as error:
        raise ConfigError(f"{folder}: the rig's files cannot be written: {error}") from error
    record = replace(record, public_key=public_key, revoked=False)
    store.put_rig(record)
    return Enrolled(record, folder, note)


def _write(
    settings: Settings, rig: str, folder: Path, own: keys.Keys, endpoint: str
) -> tuple[str, str]:
    """Fill the folder; the rig's public key, and what a broker must be told."""
    link, public_key, note = _credentials(settings, rig, folder, own, endpoint)
    document = {
        "rig": rig,
        "state_dir": f"/var/lib/rigshift/{rig}",
        "order_key": own.signer.public_key,
        "link": link,
        "groups": [],
    }
    text = HINT.format(rig=rig) + yaml.safe_dump(document, sort_keys=False) + EXAMPLE
    keys.write_secret(folder / "agent.yaml", text)
    return public_key, note


def _check(settings: Settings, store: Store, record: RigRecord) -> None:
    if not model.NAME.fullmatch(record.rig):
        raise ConfigError(f"rig name {record.rig!r}: use letters, digits, `-` and `_`, 1 to 64")
    sites = [site.name for site in settings.farm.sites]
    if record.site not in sites:
        raise ConfigError(f"site {record.site!r} is not in the farm's settings: {', '.join(sites)}")
    classes = {rig_class.name for rig_class in settings.farm.rig_classes}
    classes |= {earning.rig_class for earning in settings.farm.earnings if earning.rig_class}
    if classes and record.rig_class not in classes:
        raise ConfigError(
            f"class {record.rig_class!r} is not in the farm's settings: "
            f"{', '.join(sorted(classes))}; add it under `farm.rig_classes`"
        )
    known = {known.rig: known for known in store.rigs()}.get(record.rig)
    if known is not None and not known.revoked:
        raise ConfigError(
            f"rig {record.rig} is enrolled already; `rigshift-controller revoke {record.rig}` first"
        )


def _credentials(
    settings: Settings, rig: str, folder: Path, own: keys.Keys, endpoint: str
) -> tuple[Mapping[str, object], str, str]:
    """The rig's `link` section, its public key, and what a broker must be told."""
    if settings.link.mqtt is not None:
        password = secrets.token_urlsafe(24)
        keys.write_secret(folder / "mqtt.password", password + "\n")
        mqtt = settings.link.mqtt
        section = {
            "url": endpoint or mqtt.url,
            "username": rig,
            "password_file": "mqtt.password",
        }
        if mqtt.ca_file is not None:
            shutil.copy(mqtt.ca_file, folder / "ca.pem")
            section["ca_file"] = "ca.pem"
        return {"mqtt": section}, "", broker_note(rig, folder / "mqtt.password")
    assert settings.link.zeromq is not None
    pair = zeromq.generate_keys()
    keys.write_secret(folder / "curve.key", pair.secret + "\n")
    section = {
        "endpoint": endpoint or settings.link.zeromq.endpoint or settings.link.zeromq.listen,
        "server_key": zeromq.public_key(own.curve_secret),
        "secret_key_file": "curve.key",
    }
    return {"zeromq": section}, pair.public, ""


def broker_note(rig: str, password_file: Path) -> str:
    """What a Mosquitto broker's operator does for a new rig; the rest is in docs/protocol.md."""
    return f'mosquitto_passwd -b PASSWORD_FILE {rig} "$(cat {password_file})"'

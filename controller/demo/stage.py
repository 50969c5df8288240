"""The demo's folder: what an engineer would write for such a farm, written by a program.

One controller file, and for each rig an enrolment and the list of what may run on its GPUs.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from controller import enrollment, service, settings
from controller.core.model import RigRecord
from controller.core.policy.settings import PolicySettings, SwitchCost
from controller.demo import recordings, scenario
from controller.demo.scenario import ECO, GPUS_PER_GROUP, INFER, MINE, SITES, RigClass, Site
from controller.feeds.settings import FeedsSettings
from controller.fleet import FleetSettings

GROUPS_PER_RIG = 2

LEASE_S = 20.0
"""Real seconds: long enough for a controller that is killed and comes back."""

POLICY = PolicySettings(
    margin_usd_per_h=0.002,
    off_band_usd_per_h=0.001,
    dwell_s=1800.0,
    payback_s=4 * 3600.0,
    mining_switch=SwitchCost(cost_usd=scenario.SWITCH_USD, duration_s=1200.0),
    inference_switch=SwitchCost(cost_usd=scenario.SWITCH_USD, duration_s=2400.0),
    switches_max=12,
    site_switches_max=8,
)
"""Seconds here are price seconds. A switch of one real second costs its speed in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """An MQTT broker that controller and rigs meet at."""

    url: str
    ca_file: Path | None
    passwords: Mapping[str, str]
    """By user: `controller`, and each rig's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that is on disk before the first program starts."""

    folder: Path
    rigs: Mapping[str, Site]
    config: Path
    settings: settings.Settings

    @property
    def simulated_dir(self) -> Path:
        """Where the simulated GPUs keep what runs on them."""
        return self.folder / "gpus"

    def agent_config(self, rig: str) -> Path:
        """A rig's own file."""
        return self.folder / "rigs" / rig / "agent.yaml"

    def log(self, name: str) -> Path:
        """What a program says."""
        return self.folder / "logs" / f"{name}.log"


def build(folder: Path, rigs: int, speed: float, broker: Broker | None) -> Stage:
    """Write everything. Raises `OSError`, `ConfigError`, `StoreError`."""
    names = {f"rig-{n + 1:02}": SITES[n % len(SITES)] for n in range(rigs)}
    for name in ("rigs", "logs", "gpus", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = folder / "controller.yaml"
    wanted = _controller(folder, rigs, speed, broker)
    config.write_text(yaml.safe_dump(msgspec.to_builtins(wanted, enc_hook=str), sort_keys=False))
    checked = settings.load(config)
    stage = Stage(folder=folder, rigs=names, config=config, settings=checked)
    ports = free_ports(rigs * GROUPS_PER_RIG * 3)
    store = service.open_store(checked)
    try:
        store.put_hours(list(recordings.past(_groups_per_site(rigs))))
        for rig, site in names.items():
            record = RigRecord(
                rig=rig, site=site.name, rig_class=site.rig_class.name, labels={}, public_key=""
            )
            enrollment.enroll(checked, store, record, folder / "rigs" / rig, "")
            _complete(stage, rig, site.rig_class, ports, broker)
    finally:
        store.close()
    return stage


def free_ports(count: int) -> Iterator[int]:
    """Ports on loopback that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [int(each.getsockname()[1]) for each in sockets]
    return iter(ports)


def _groups_per_site(rigs: int) -> int:
    return max(1, rigs * GROUPS_PER_RIG // len(SITES))


def _controller(folder: Path, rigs: int, speed: float, broker: Broker | None) -> settings.Settings:
    api_port, link_port = free_ports(2)
    return settings.Settings(
        state_dir=folder / "state",
        farm=scenario.farm(),
        quotes=scenario.quote_rules(),
        link=_link(folder, link_port, broker),
        api=settings.ApiSettings(port=api_port),
        policy=POLICY,
        feeds=FeedsSettings(recorded=(recordings.feed(_groups_per_site(rigs)),)),
        fleet=FleetSettings(offline_after_s=6.0, retry_failed_s=20.0),
        replay=settings.ReplaySettings(
            prices_from=scenario.BEGIN, began_at=time.time(), speed=speed
        ),
        tick_s=0.5,
        feed_interval_s=0.25,
        lease_s=LEASE_S,
    )


def _link(folder: Path, port: int, broker: Broker | None) -> settings.LinkSettings:
    if broker is None:
        listen = f"tcp://127.0.0.1:{port}"
        return settings.LinkSettings(zeromq=settings.ZeroMqSettings(listen=listen))
    return settings.LinkSettings(
        mqtt=settings.MqttSettings(
            url=broker.url,
            password_file=_password(folder / "controller.password", broker, "controller"),
            ca_file=broker.ca_file,
        )
    )


def _password(path: Path, broker: Broker, user: str) -> Path | None:
    if user not in broker.passwords:
        return None
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(broker.passwords[user] + "\n", encoding="utf-8")
    return path


def _complete(
    stage: Stage, rig: str, rig_class: RigClass, ports: Iterator[int], broker: Broker | None
) -> None:
    """Do what the enrolment leaves to the engineer: list GPUs and workloads."""
    path = stage.agent_config(rig)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if broker is not None:
        _password(path.parent / "mqtt.password", broker, rig)
    document |= {
        "state_dir": str(stage.folder / "state" / rig),
        "gpu": {
            "source": "simulated",
            "simulated_dir": str(stage.simulated_dir),
            "tuner": "direct",
            "profiles_file": str(_profiles(path.parent, rig_class)),
            "fast_interval_s": 1.0,
            "slow_interval_s": 5.0,
        },
        "metrics": {"port": 0},
        "report_interval_s": 1.0,
        "telemetry_interval_s": 2.0,
        "groups": [
            _group(stage, f"g{number}", _gpus(rig, number), rig_class, ports)
            for number in range(GROUPS_PER_RIG)
        ],
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _profiles(folder: Path, rig_class: RigClass) -> Path:
    """Mining at less power is a profile; everything else runs under the neutral one."""
    path = folder / "profiles.yaml"
    profiles = {ECO: {"power_limit_w": rig_class.eco_w}}
    path.write_text(yaml.safe_dump({"profiles": profiles}), encoding="utf-8")
    path.chmod(0o644)
    return path


def _gpus(rig: str, group: int) -> list[str]:
    first = group * GPUS_PER_GROUP
    return [f"GPU-simulated-{rig}-{first + n}" for n in range(GPUS_PER_GROUP)]


def _group(
    stage: Stage, name: str, gpus: list[str], rig_class: RigClass, ports: Iterator[int]
) -> dict[str, Any]:
    mine, eco, infer = (
        _workload(stage, workload, watts, rig_class, next(ports))
        for workload, watts in (
            (MINE, rig_class.mine_w),
            (ECO, rig_class.eco_w),
            (INFER, rig_class.infer_busy_w),
        )
    )
    return {"name": name, "gpus": gpus, "workloads": [mine, eco, infer]}


def _workload(
    stage: Stage, name: str, watts: float, rig_class: RigClass, port: int
) -> dict[str, Any]:
    infers = name == INFER
    own = ["--model", "demo", "--load-s", "0.2", "--demand", "1"] if infers else [
        "--hashrate", "61e6", "--start-s", "0.1", "--share-interval-s", "0.2",
    ]  # fmt: skip
    return {
        "name": name,
        "kind": "inference" if infers else "mining",
        "driver": "openai" if infers else "xmrig",
        "command": [
            sys.executable, "-I", "-m", f"agent.demo.{'inference' if infers else 'miner'}",
            "--port", str(port), "--gpus", "{gpus}",
            "--simulated-dir", str(stage.simulated_dir),
            "--power-w", f"{watts - rig_class.off_w:g}", *own,
        ],
        "api_url": f"http://127.0.0.1:{port}",
        "model": "demo" if infers else "",
        "profile": ECO if name == ECO else "neutral",
        "power_w": watts * GPUS_PER_GROUP,
        "readiness": {"hold_s": 0.2},
        "deadlines": {
            "prepare_s": 10.0, "drain_s": 3.0, "stop_s": 10.0,
            "vacate_s": 15.0, "start_s": 10.0, "probe_s": 30.0,
        },
    }  # fmt: skip

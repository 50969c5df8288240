"""Gathers the facts of an installation; changes nothing."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from agent.install import enrolment, facts
from agent.install.accounts import Accounts
from agent.install.facts import Facts
from agent.install.steps import Entry, File, Folder
from wire.configfile import ConfigError

SHIPPED = ("systemd", "polkit", "sysusers")
"""Folders of deploy/ that a rig needs."""

COMMAND_TIMEOUT_S = 30.0
"""systemd answers such questions at once."""


def look(root: str, enrolled: Path | None) -> Facts:
    """All facts but what runs. Raises `ConfigError` when the enrolment cannot be read."""
    files = enrolment.read(enrolled) if enrolled else {}
    accounts = Accounts(root)
    seen = Facts(
        root=root,
        program=facts.PROGRAM if root else str(Path(sys.executable).with_name("rigshift-agent")),
        shipped=shipped(),
        enrolment=files,
        enrolled_at=str(enrolment.folder(enrolled)) if enrolled else "",
        users=frozenset(accounts.users()),
        rig=enrolment.rig(root, files, enrolment.folder(enrolled) if enrolled else None),
    )
    names = facts.services(seen.shipped)
    tree = (f"--root={root}",) if root else ()
    return replace(
        seen,
        found=_found(seen, accounts),
        enabled=frozenset(_those(("is-enabled", *tree), names, ("enabled",))),
        active=frozenset(() if root else _those(("is-active",), names, ("active", "activating"))),
    )


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def shipped() -> dict[str, bytes]:
    """What deploy/ holds for a rig, by path below it."""
    home = resources.files("deploy")
    return dict(pair for name in SHIPPED for pair in _files(home / name, name))


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_file():
            yield f"{path}/{entry.name}", entry.read_bytes()


def _found(seen: Facts, accounts: Accounts) -> Mapping[str, Entry]:
    paths = {
        *facts.wanted(seen),
        *(f"{facts.UNITS_DIR}/{name}" for name in facts.units(seen.shipped)),
        *facts.configuration(seen.enrolment),
        facts.CONFIG,
        facts.POLKIT_DIR,
        facts.STATE_DIR,
        facts.WORKLOADS_STATE_DIR,
        f"{facts.UNITS_DIR}/{facts.CONTROLLER_UNIT}",
    }
    pairs = ((path, _entry(Path(f"{seen.root}{path}"), accounts)) for path in paths)
    return {path: entry for path, entry in pairs if entry is not None}


def _entry(path: Path, accounts: Accounts) -> Entry | None:
    try:
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        owner, group = accounts.user(status.st_uid), accounts.group(status.st_gid)
        if stat.S_ISDIR(status.st_mode):
            return Folder(mode, owner, group)
        return File(path.read_bytes(), mode, owner, group)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be looked at: {error.strerror}") from error


def _those(
    question: tuple[str, ...], names: Iterable[str], words: tuple[str, ...]
) -> Iterator[str]:
    """The units of which `systemctl QUESTION` says one of these words."""
    for name in names:
        try:
            done = subprocess.run(
                ["systemctl", *question, name],
                check=False,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() in words:
            yield name

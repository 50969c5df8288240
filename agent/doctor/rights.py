"""What the agent's user must be allowed, and others must not: its file, its secrets, its state."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.doctor.access import Person
from agent.doctor.finding import Finding, Machine, Result, Unseen
from agent.settings import Settings

OTHERS = 0o077
OTHERS_WRITE = 0o022

STATE_HOME = Path("/var/lib/rigshift")
"""The agent's unit has systemd make it, for the agent's user."""


def check(settings: Settings, config: Path, machine: Machine) -> Iterator[Result]:
    """Files, their owners and modes."""
    person = Person.named(machine.user)
    if not person.exists:
        yield Finding(
            "user-missing",
            machine.user,
            "no such user, and the agent runs as it",
            "`rigshift-agent install` makes it",
        )
        return
    yield from _looked(_config, config, person)
    yield from _looked(_state, settings.state_dir, person)
    for path in secrets(settings):
        yield from _looked(_secret, path, person)


def _looked(
    look: Callable[[Path, Person], Iterator[Finding]], path: Path, person: Person
) -> Iterator[Result]:
    try:
        yield from look(path, person)
    except OSError as error:
        yield Unseen(str(path), error.strerror or "cannot be looked at")


def secrets(settings: Settings) -> tuple[Path, ...]:
    """Files that only the agent's user may read."""
    zeromq, mqtt = settings.link.zeromq, settings.link.mqtt
    key = zeromq.secret_key_file if zeromq is not None else None
    password = mqtt.password_file if mqtt is not None else None
    markets = (w.market for group in settings.groups for w in group.workloads if w.market)
    tokens = {Path(market.token_file) for market in markets if market.token_file}
    return tuple(path for path in (key, password, *sorted(tokens)) if path is not None)


def _config(path: Path, person: Person) -> Iterator[Finding]:
    if not person.may(path, "r"):
        mend = f"`chgrp {person.name} {path} && chmod 640 {path}`, and let the folder be entered"
        yield Finding("config-unreadable", str(path), f"user {person.name} cannot read it", mend)
    if stat.S_IMODE(path.stat().st_mode) & OTHERS_WRITE:
        wrong = "others than its owner may write what may run on this rig"
        yield Finding("config-writable", str(path), wrong, f"`chmod go-w {path}`")


def _secret(path: Path, person: Person) -> Iterator[Finding]:
    if not path.exists():
        mend = "copy it from the enrolment, or enrol the rig anew"
        yield Finding("secret-missing", str(path), "no such file", mend)
        return
    if stat.S_IMODE(path.stat().st_mode) & OTHERS:
        wrong = "others can read this secret, and the agent refuses it"
        yield Finding("secret-exposed", str(path), wrong, f"`chmod 600 {path}`")
    if not person.may(path, "r"):
        mend = f"`chown {person.name}: {path}`"
        yield Finding("secret-unreadable", str(path), f"user {person.name} cannot read it", mend)


def _state(path: Path, person: Person) -> Iterator[Finding]:
    if path.is_relative_to(STATE_HOME) and not STATE_HOME.exists():
        return
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir():
        yield Finding("state-denied", str(there), "no folder", "mend `state_dir`")
    elif not person.may(there, "wx"):
        wrong = f"user {person.name} cannot write journals there"
        yield Finding("state-denied", str(there), wrong, f"`chown -R {person.name}: {path}`")

"""Which steps take the agent off a machine, as a pure function of the facts.

Workloads that run are left running and configuration and state are left standing, unless told.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.install.facts import (
    CONFIG_DIR,
    CONTROLLER_UNIT,
    POLKIT,
    STATE_DIR,
    SYSUSERS,
    UNITS_DIR,
    WORKLOADS_STATE_DIR,
    Facts,
    services,
    units,
)
from agent.install.steps import Note, Remove, Run, Step, Stop

KEPT = (CONFIG_DIR, STATE_DIR, WORKLOADS_STATE_DIR)
"""Configuration and state."""


def hindrance(facts: Facts, *, purge: bool, stop_workloads: bool) -> str:
    """Why it cannot be removed so, and what to do about it; empty when it can."""
    if purge and _shared(facts):
        return (
            f"a controller is installed here too and shares {CONFIG_DIR} and {STATE_DIR}; "
            "remove the rig's files there by hand, without --purge"
        )
    if purge and facts.workloads and not stop_workloads:
        return (
            f"{', '.join(facts.workloads)} would run on, and nothing would know of them; "
            "add --stop-workloads, or leave out --purge"
        )
    return ""


def plan(facts: Facts, *, purge: bool, stop_workloads: bool) -> tuple[Step, ...]:
    """All that is to be done and to be known, in order."""
    return (
        *_services(facts),
        *_workloads(facts, stop=stop_workloads),
        *_files(facts),
        *_rest(facts, purge=purge),
    )


def _services(facts: Facts) -> Iterator[Step]:
    names = tuple(n for n in services(facts.shipped) if n in facts.enabled | facts.active)
    if names and facts.root:
        yield Run(("systemctl", f"--root={facts.root}", "disable", *names))
    elif names:
        yield Run(("systemctl", "disable", "--now", *names))


def _workloads(facts: Facts, *, stop: bool) -> Iterator[Step]:
    if not facts.workloads:
        return
    if stop:
        yield from (Stop(key) for key in facts.workloads)
    else:
        yield Note("leave", f"running: {', '.join(facts.workloads)}; --stop-workloads ends them")


def _files(facts: Facts) -> Iterator[Step]:
    paths = [f"{UNITS_DIR}/{name}" for name in units(facts.shipped)]
    removed = [path for path in sorted(paths) if path in facts.found]
    yield from (Remove(path) for path in removed)
    if removed and not facts.root:
        yield Run(("systemctl", "daemon-reload"))
    if POLKIT in facts.found:
        yield Remove(POLKIT)
    if SYSUSERS in facts.found and not _shared(facts):
        yield Remove(SYSUSERS)


def _rest(facts: Facts, *, purge: bool) -> Iterator[Step]:
    standing = [path for path in KEPT if path in facts.found]
    if purge:
        yield from (Remove(path) for path in standing)
    elif standing:
        yield Note("keep", f"{', '.join(standing)}; --purge removes them")
    users = sorted(user for user in facts.users if user.startswith("rigshift"))
    if users and not _shared(facts):
        yield Note("keep", f"users {', '.join(users)}; `userdel` removes them")


def _shared(facts: Facts) -> bool:
    return f"{UNITS_DIR}/{CONTROLLER_UNIT}" in facts.found

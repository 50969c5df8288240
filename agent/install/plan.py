"""Which steps install the agent, as a pure function of the facts. What is so already is no step."""

from __future__ import annotations

from collections.abc import Iterator

from agent.install.facts import (
    CONFIG,
    POLKIT_DIR,
    SYSUSERS,
    UNITS_DIR,
    Facts,
    configuration,
    needed,
    services,
    wanted,
)
from agent.install.steps import Entry, File, Note, Put, Run, Step

HIDDEN_FROM_UNITS = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108
"""What the units' confinement hides (ProtectHome=, PrivateTmp=)."""


def refusal(root: str, *, is_root: bool, systemd: bool) -> str:
    """Why nothing can be installed or removed, and what to do about it; empty when it can."""
    if not is_root:
        return "only root can create users and write to /etc; run it with `sudo`"
    if not root and not systemd:
        return (
            "systemd does not run this machine; run `rigshift-agent run` under the supervisor "
            "that does, or name an image's tree with --root"
        )
    return ""


def hindrance(facts: Facts) -> str:
    """Why the agent cannot be installed, and what to do about it; empty when it can."""
    if facts.program.startswith(HIDDEN_FROM_UNITS):
        return (
            f"{facts.program}: a service cannot see it there; install rigshift into a virtual "
            "environment at /opt/rigshift, and run its `rigshift-agent install`"
        )
    if POLKIT_DIR not in facts.found:
        return (
            f"{POLKIT_DIR}: no such folder; polkit must be installed for the agent to start "
            "units: `apt-get install polkitd`"
        )
    if CONFIG not in facts.found and not facts.enrolment:
        return (
            f"{CONFIG}: no such file; name what `rigshift-controller enroll` wrote for this rig "
            "with --enrolment"
        )
    return ""


def plan(facts: Facts) -> tuple[Step, ...]:
    """All that is to be done and to be known, in order."""
    goal = wanted(facts)
    puts = {path: put for path, entry in goal.items() if (put := _put(facts, path, entry))}
    return (
        *(put for path, put in puts.items() if path == SYSUSERS),
        *_users(facts, changed=SYSUSERS in puts),
        *(put for path, put in puts.items() if path != SYSUSERS),
        *_configuration(facts),
        *_services(facts, {path for path in puts if path.startswith(UNITS_DIR)}),
    )


def _put(facts: Facts, path: str, entry: Entry) -> Put | None:
    found = facts.found.get(path)
    return None if found == entry else Put(path, entry, new=found is None)


def _users(facts: Facts, *, changed: bool) -> Iterator[Step]:
    lines = facts.shipped["sysusers/rigshift.conf"].decode().splitlines()
    named = {line.split()[1] for line in lines if line.startswith("u ")}
    if changed or not named <= facts.users:
        tree = (f"--root={facts.root}",) if facts.root else ()
        yield Run(("systemd-sysusers", *tree, "rigshift.conf"))


def _configuration(facts: Facts) -> Iterator[Step]:
    """Each file once; what stands already is the farm's."""
    for path, entry in configuration(facts.enrolment).items():
        found = facts.found.get(path)
        assert isinstance(entry, File)
        if found is None:
            yield Put(path, entry, new=True)
        elif not isinstance(found, File) or found.content != entry.content:
            yield Note("keep", _kept(facts, path, entry))
    if CONFIG not in facts.found and len(facts.enrolment) > 1:
        yield Note("note", f"{facts.enrolled_at} holds this rig's secret too; remove it")


def _kept(facts: Facts, path: str, entry: File) -> str:
    name = path.rpartition("/")[2]
    if path == CONFIG and facts.rig.edited == ("groups",):
        return f"{path}: `groups` are yours, the rest is as enrolled"
    differs = f" in {', '.join(facts.rig.edited)}" if path == CONFIG and facts.rig.edited else ""
    take = (
        f"install -o {entry.owner} -g {entry.group} -m {entry.mode:04o} "
        f"{facts.enrolled_at}/{name} {facts.root}{path}"
    )
    return f"{path}: differs from the enrolment's{differs}; to take that instead: {take}"


def _services(facts: Facts, changed: set[str]) -> Iterator[Step]:
    names = tuple(name for name in services(facts.shipped) if needed(facts, name))
    if changed and not facts.root:
        yield Run(("systemctl", "daemon-reload"))
    if facts.rig.unusable:
        yield Note("next", f"the agent is not started yet: {facts.rig.unusable}")
        yield Note("next", f"edit {facts.root}{CONFIG}, then run `rigshift-agent install` again")
    elif facts.root:
        yield from _enabled_in_tree(facts, names)
    else:
        yield from _started(facts, names, changed)


def _enabled_in_tree(facts: Facts, names: tuple[str, ...]) -> Iterator[Step]:
    asleep = tuple(name for name in names if name not in facts.enabled)
    if asleep:
        yield Run(("systemctl", f"--root={facts.root}", "enable", *asleep))


def _started(facts: Facts, names: tuple[str, ...], changed: set[str]) -> Iterator[Step]:
    asleep = tuple(n for n in names if n not in facts.enabled or n not in facts.active)
    if asleep:
        yield Run(("systemctl", "enable", "--now", *asleep))
    stale = tuple(n for n in names if n not in asleep and f"{UNITS_DIR}/{n}" in changed)
    if stale:
        yield Run(("systemctl", "restart", *stale))

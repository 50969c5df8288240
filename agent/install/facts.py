"""What an installation depends on: what is shipped, what the enrolment says, what stands already.

Facts only; who gathers them is `agent.install.look`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.install.steps import Entry, File, Folder

USER = "rigshift"
"""The agent's user; deploy/sysusers makes it."""

PROGRAMS_DIR = "/opt/rigshift/bin"
"""Where the shipped units find their programs."""

PROGRAM = f"{PROGRAMS_DIR}/rigshift-agent"
"""What the agent's unit starts."""

CONFIG_DIR = "/etc/rigshift"
CONFIG = f"{CONFIG_DIR}/agent.yaml"
PROFILES = "profiles.yaml"
"""Name of the GPU profiles' file; root trusts it only if it is root's."""

STATE_DIR = "/var/lib/rigshift"
WORKLOADS_STATE_DIR = "/var/lib/rigshift-workloads"
UNITS_DIR = "/etc/systemd/system"
SYSUSERS = "/etc/sysusers.d/rigshift.conf"
POLKIT_DIR = "/etc/polkit-1/rules.d"
POLKIT = f"{POLKIT_DIR}/50-rigshift.rules"

CONTROLLER_UNIT = "rigshift-controller.service"
"""Shipped, but not for rigs; where it is installed, the user is shared."""

HELPER_UNITS = "rigshift-gpu-helper."
"""Begin of the names of units that only a rig whose GPUs are tuned gets: they are root's."""

_TEMPLATE = re.compile(r"rigshift-workload@[A-Za-z0-9_-]+\.service")
_NO_UNITS = "var RIGSHIFT_UNITS = [];"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What the rig's file, installed or about to be, says of the machine."""

    units: tuple[str, ...] | None = ()
    """Units that it names as workloads; ``None``: it cannot be read."""
    helped: bool = False
    """Whether the root helper sets its GPU profiles."""
    unusable: str = ""
    """Why no agent can run with it; empty when one can."""
    edited: tuple[str, ...] = ()
    """Settings in which the installed file differs from the enrolment's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the steps of an installation or a removal follow from."""

    root: str = ""
    """Folder that holds another machine's tree; empty: this machine, as it runs."""
    program: str = PROGRAM
    """Where the units shall find the agent."""
    shipped: Mapping[str, bytes] = field(default_factory=dict)
    """By path below deploy/."""
    enrolment: Mapping[str, bytes] = field(default_factory=dict)
    """By name in the enrolment's folder; empty: none was named."""
    enrolled_at: str = ""
    """The enrolment's folder."""
    found: Mapping[str, Entry] = field(default_factory=dict)
    """What already stands, by path; what is missing here is missing there."""
    users: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()
    """Shipped units that are started at boot."""
    active: frozenset[str] = frozenset()
    """Shipped units that run."""
    rig: Rig = field(default_factory=Rig)
    workloads: tuple[str, ...] = ()
    """Workloads that run or may run, `group.workload`; a removal only."""


def units(shipped: Mapping[str, bytes]) -> dict[str, bytes]:
    """The shipped units for a rig, by name."""
    found = {path.removeprefix("systemd/"): text for path, text in shipped.items()}
    return {
        name: text for name, text in found.items() if "/" not in name and name != CONTROLLER_UNIT
    }


def services(shipped: Mapping[str, bytes]) -> tuple[str, ...]:
    """Those of them that can be enabled: they say when they want to be started."""
    return tuple(sorted(name for name, text in units(shipped).items() if b"\n[Install]" in text))


def needed(facts: Facts, unit: str) -> bool:
    """Whether this rig needs the shipped unit."""
    return facts.rig.helped or not unit.startswith(HELPER_UNITS)


def wanted(facts: Facts) -> dict[str, Entry]:
    """What shall stand on a rig apart from its configuration, parents first."""
    programs = facts.program.rpartition("/")[0]
    return {
        SYSUSERS: File(facts.shipped["sysusers/rigshift.conf"]),
        CONFIG_DIR: Folder(),
        f"{CONFIG_DIR}/workloads": Folder(),
        **{
            f"{UNITS_DIR}/{name}": File(text.replace(PROGRAMS_DIR.encode(), programs.encode()))
            for name, text in sorted(units(facts.shipped).items())
            if needed(facts, name)
        },
        POLKIT: _rules(facts),
    }


def _rules(facts: Facts) -> Entry:
    """The polkit rule for the units of the rig's file; who cannot read that takes no right away."""
    if facts.rig.units is None and POLKIT in facts.found:
        return facts.found[POLKIT]
    rules = facts.shipped["polkit/50-rigshift.rules"].decode()
    own = sorted(unit for unit in facts.rig.units or () if not _TEMPLATE.fullmatch(unit))
    named = f"var RIGSHIFT_UNITS = {json.dumps(own)};" if own else _NO_UNITS
    return File(rules.replace(_NO_UNITS, named).encode())


def configuration(enrolment: Mapping[str, bytes]) -> dict[str, Entry]:
    """What an enrolment puts onto a rig: a file for the agent to read, secrets for nobody else.

    The agent may not write the list of what may run here.
    """
    entries: dict[str, Entry] = {}
    for name, content in sorted(enrolment.items()):
        if name == "agent.yaml":
            entry = File(content, 0o640, group=USER)
        elif name == PROFILES or name.endswith(".pem"):
            entry = File(content)
        else:
            entry = File(content, 0o600, USER, USER)
        entries[f"{CONFIG_DIR}/{name}"] = entry
    return entries

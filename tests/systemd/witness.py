"""Who ran when, told by systemd's own journal: a witness that the agent has no part in.

The manager writes a line before it starts anything of a unit, and one when nothing of it is left;
one process writes them all, so their order is what happened. It must never ask the agent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.systemd.machine import Machine

STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
SUCCEEDED = "7ad2d189f7e94e70a38c781354912448"
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
"""Message ids of systemd, see `systemd/sd-messages.h`: about to start, and over either way."""

_FORM = ["--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE_ID,UNIT"]


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the journal tells of some units."""

    starts: int
    overlaps: tuple[tuple[str, str], ...]
    """Units of which the second was started while the first was not over."""


class Witness:
    """Reads what a machine's systemd has written since now."""

    def __init__(self, machine: Machine, units: Sequence[str]) -> None:
        self._machine = machine
        self._units = frozenset(units)
        shown = machine.run("journalctl", "--quiet", "--lines=0", "--show-cursor", "--no-pager")
        self._cursor = shown.partition("cursor: ")[2]
        assert self._cursor, f"no end of the journal in {shown!r}"

    def testimony(self) -> Testimony:
        """What has happened so far."""
        self._machine.run("journalctl", "--sync")
        command = ["journalctl", *_FORM, f"--after-cursor={self._cursor}", "_PID=1"]
        lines = self._machine.run(*command).splitlines()
        return judge(map(json.loads, lines), self._units)


def judge(entries: Iterable[Mapping[str, str]], units: frozenset[str]) -> Testimony:
    """Walk through the manager's lines in their order."""
    up: set[str] = set()
    starts, overlaps = 0, list[tuple[str, str]]()
    for entry in entries:
        unit, what = entry.get("UNIT", ""), entry.get("MESSAGE_ID")
        if unit not in units:
            continue
        if what == STARTING:
            starts += 1
            overlaps += [(other, unit) for other in sorted(up) if other != unit]
            up.add(unit)
        elif what in (SUCCEEDED, FAILED):
            up.discard(unit)
    return Testimony(starts, tuple(overlaps))

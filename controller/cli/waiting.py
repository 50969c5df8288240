"""Waits until groups have arrived where an order sends them, and says what they wait for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from controller.answers import GroupLine
from controller.core.model import GroupKey
from wire.model import OFF, Phase

POLL_S = 1.0
REMIND_S = 30.0
"""A wait without news says at this pace that it goes on."""

LINES_MAX = 20
"""With more groups than this, steps of single groups are not told."""

NAMED_MAX = 5


class Standing(Enum):
    """How an order stands with one group."""

    ARRIVED = "arrived"
    UNDER_WAY = "under way"
    STUCK = "stuck"
    """Nothing more will happen by itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one group is, in words."""

    standing: Standing
    text: str


class Teller(Protocol):
    """What a watch needs of a terminal."""

    def say(self, text: str) -> None:
        """Tell one line."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def elapsed_s(self) -> float:
        """Seconds since some fixed instant."""


class Watch:
    """Follows some groups to what each of them is wanted to run."""

    def __init__(
        self,
        look: Callable[[], Mapping[GroupKey, GroupLine]],
        wanted: Mapping[GroupKey, str | None],
        teller: Teller,
    ) -> None:
        self._look = look
        self._wanted = wanted
        self._teller = teller
        self._told: dict[GroupKey, Progress] = {}
        self._told_at_s = float("-inf")

    def until_settled(self, timeout_s: float) -> list[str]:
        """Wait; return what has not arrived, and why, group by group."""
        end_s = self._teller.elapsed_s() + timeout_s
        while True:
            lines = self._look()
            now = {key: progress(lines.get(key), want) for key, want in self._wanted.items()}
            self._tell(now)
            waiting = [k for k, found in now.items() if found.standing is Standing.UNDER_WAY]
            if not waiting or self._teller.elapsed_s() >= end_s:
                return _missing(now)
            self._teller.sleep(POLL_S)

    def _tell(self, now: Mapping[GroupKey, Progress]) -> None:
        news = [key for key, found in now.items() if self._told.get(key) != found]
        elapsed_s = self._teller.elapsed_s()
        if news and len(now) <= LINES_MAX:
            for key in news:
                self._teller.say(f"{key}: {now[key].text}")
        elif elapsed_s - self._told_at_s < REMIND_S or not _missing(now):
            return
        else:
            self._teller.say(_tally(now))
        self._told, self._told_at_s = dict(now), elapsed_s


def progress(line: GroupLine | None, wanted: str | None) -> Progress:
    """How far one group is on its way to `wanted`."""
    if line is None:
        return Progress(Standing.STUCK, "the controller does not know it any more")
    name = wanted or OFF
    if not line.online:
        return Progress(Standing.STUCK, "its rig is offline; it will follow when it is back")
    if line.assigned != wanted:
        return Progress(Standing.UNDER_WAY, f"waiting for the plan to assign {name}")
    if line.observed_generation < line.generation:
        return Progress(Standing.UNDER_WAY, "waiting for its rig to confirm the order")
    if line.active == wanted and line.phase in (Phase.RUNNING, Phase.IDLE):
        return Progress(Standing.ARRIVED, f"runs {name}" if wanted else "stands still")
    refusals = [found.reason for found in line.rejected if found.workload == wanted]
    if line.phase is Phase.FAILED or (refusals and line.phase and line.phase.stable):
        why = refusals[0] if refusals else line.reason
        return Progress(Standing.STUCK, f"{name} failed: {why}")
    return Progress(Standing.UNDER_WAY, line.phase.value if line.phase else "waiting for a report")


def _missing(now: Mapping[GroupKey, Progress]) -> list[str]:
    return [
        f"{key}: {found.text}"
        for key, found in now.items()
        if found.standing is not Standing.ARRIVED
    ]


def _tally(now: Mapping[GroupKey, Progress]) -> str:
    missing = _missing(now)
    more = f" and {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
    arrived = len(now) - len(missing)
    return f"{arrived} of {len(now)} are there; waiting for {'; '.join(missing[:NAMED_MAX])}{more}"

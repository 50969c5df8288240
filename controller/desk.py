"""The fleet as operators see it: the live half of `controller.operations.Desk`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from controller.answers import Check
from controller.core.model import GroupKey, GroupView, Plan, Quote
from controller.fleet import Fleet
from controller.prices import Prices
from controller.reconciler import Reconciler
from controller.sessions import Sessions
from wire.model import Sample

DISK_FREE_MIN_BYTES = 100_000_000
"""Below this the controller's disk is worth an operator's look."""


class LiveDesk:
    """Answers from what the reconciler, the sessions and the feeds know at this moment."""

    def __init__(
        self,
        reconciler: Reconciler,
        fleet: Fleet,
        sessions: Sessions,
        prices: Prices,
        state_dir: Path,
    ) -> None:
        self._state_dir = state_dir
        self._reconciler = reconciler
        self._fleet = fleet
        self._sessions = sessions
        self._prices = prices

    def views(self) -> tuple[GroupView, ...]:
        """All known groups, by key."""
        return self._fleet.views()

    def plan(self) -> Plan | None:
        """The newest."""
        return self._reconciler.newest

    def quotes(self) -> tuple[Quote, ...]:
        """All series, by name."""
        quotes = self._prices.quotes()
        return tuple(quotes[series] for series in sorted(quotes))

    def preview(self, pins: Mapping[GroupKey, str | None]) -> Plan:
        """What the plan would be with these groups held to these workloads; changes nothing."""
        return self._reconciler.preview(pins)

    def poke(self) -> None:
        """Plan again soon."""
        self._reconciler.poke()

    def samples(self) -> Mapping[str, Sample]:
        """Newest telemetry by rig."""
        sessions = self._sessions.all()
        return {rig: s.sample for rig, s in sessions.items() if s.sample is not None}

    def metrics_url(self, rig: str) -> str | None:
        """Where the rig's agent serves its metrics, if it said so."""
        session = self._sessions.all().get(rig)
        return session.hello.metrics_url if session and session.hello else None

    def rig_online(self, rig: str) -> bool:
        """Whether the rig was heard from lately."""
        return self._fleet.online(rig)

    def health(self) -> tuple[Check, ...]:
        """The controller's own parts."""
        counts, faults = self._sessions.counts, self._prices.faults
        fault = self._reconciler.fault
        refused = f"{counts.received} frames received, {counts.refused} of them refused"
        feeds = "; ".join(f"{feed}: {text}" for feed, text in sorted(faults.items()))
        return (
            Check("link", True, refused),
            Check("assignments", not fault, fault or "durable before they are sent"),
            Check("feeds", not faults, feeds or "every feed answers"),
            self._disk(),
        )

    def _disk(self) -> Check:
        """A full disk ends all switching, so it is told before it comes to that."""
        free = shutil.disk_usage(self._state_dir).free
        found = f"{free / 1e6:,.0f} MB free in {self._state_dir}"
        if free < DISK_FREE_MIN_BYTES:
            return Check("disk", False, f"{found}; make room, or nothing can be assigned")
        return Check("disk", True, found)

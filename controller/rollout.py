"""Remembers what a rollout counts by: switches that ended, and watts that were begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from controller.core import rollout
from controller.core.model import GroupKey, GroupView, Hold, Plan
from controller.core.rollout import Attempt, History, RolloutSettings
from wire.model import Outcome, Result

FAILURES = frozenset({Result.ROLLED_BACK, Result.QUARANTINED})
COUNTED = FAILURES | {Result.DONE}
"""What was overtaken or refused says nothing of how a workload fares."""


class Rollout:
    """Holds back what must wait. Forgets everything when the controller ends: then all may go."""

    def __init__(self, settings: Callable[[], RolloutSettings]) -> None:
        self._settings = settings
        self._history = History()

    def admit(self, plan: Plan, views: Sequence[GroupView], holds: Sequence[Hold]) -> Plan:
        """The plan as far as it may be carried out now; what is let through counts as begun.

        `holds` are those that stand: an operator's word waits for nobody.
        """
        settings = self._settings()
        self._history = self._history.since(settings, plan.at)
        ordered = {GroupKey(hold.rig, hold.group) for hold in holds}
        plan, steps = rollout.admitted(plan, views, ordered, self._history, settings)
        self._history = replace(self._history, steps=(*self._history.steps, *steps))
        return plan

    def ended(self, rig: str, outcome: Outcome, at: float) -> None:
        """Learn how a switch ended; `at` is the instant that plans count by."""
        if outcome.workload is None or outcome.result not in COUNTED:
            return
        key = GroupKey(rig, outcome.group)
        attempt = Attempt(key, outcome.workload, at, outcome.result in FAILURES)
        self._history = replace(self._history, attempts=(*self._history.attempts, attempt))

"""Expected against realised: what the plan promised, and what the groups really did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.model import Decision, GroupView, Plan
from wire.model import Phase

SECONDS_PER_H = 3600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Running sums in US dollars, since the controller started."""

    expected_usd: float = 0.0
    """Had every group earned its chosen option's net at once."""
    realized_usd: float = 0.0
    """As the groups were observed: what is in a switch earns nothing and draws standing power."""

    def passed(self, plan: Plan, views: Sequence[GroupView], seconds: float) -> Tally:
        """After `seconds` under `plan`, with the groups as seen at their end."""
        seen = {view.key: view for view in views}
        hours = max(0.0, seconds) / SECONDS_PER_H
        expected = realized = 0.0
        for decision in plan.decisions:
            promised = _net(decision, decision.chosen)
            view = seen.get(decision.key)
            if promised is None or view is None:
                continue
            expected += promised
            realized += promised if _there(view, decision) else _net(decision, None) or 0.0
        return Tally(self.expected_usd + expected * hours, self.realized_usd + realized * hours)


def _net(decision: Decision, workload: str | None) -> float | None:
    for option in decision.options:
        if option.workload == workload:
            return option.net_usd_per_h
    return None


def _there(view: GroupView, decision: Decision) -> bool:
    """Whether the group does what was chosen, proven."""
    status = view.status
    if status is None:
        return False
    if decision.chosen is None:
        return status.phase is Phase.IDLE
    return status.phase is Phase.RUNNING and status.active == decision.chosen

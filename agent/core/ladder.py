"""How far a hot group's power limit is lowered, step by step, and when it is raised again: pure.

The rung is remembered per workload: another workload begins at the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

DERATE_STEPS_MAX = 9
"""Steps that there are; a card's lowest limit mostly ends them earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """How patient safety is with one kind of workload."""

    steps_max: int
    """Steps that are tried before the workload is stopped; 0: none."""
    wait_s: float
    """Time that a step is given to help."""
    restore_s: float
    """Time that a group must be cool before one step is taken back."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Where one group stands on its ladder."""

    workload: str
    step: int = 0
    since_s: float = float("-inf")
    """When the step was last changed."""
    cool_s: float | None = None
    """Since when it has been cool without a break."""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What the step is and why."""
        if not self.step:
            return "cool again: full power limit"
        return f"power limit lowered by {self.step} step{'s' * (self.step > 1)}: {self.reason}"


def climb(rung: Rung, ladder: Ladder, hot: str, now_s: float) -> Rung | None:
    """The rung while it is too hot, for the reason `hot`; none: the ladder has ended."""
    rung = replace(rung, cool_s=None)
    if now_s - rung.since_s < ladder.wait_s:
        return rung
    if rung.step >= ladder.steps_max:
        return None
    return replace(rung, step=rung.step + 1, since_s=now_s, reason=hot)


def descend(rung: Rung, ladder: Ladder, *, cool: bool, now_s: float) -> Rung:
    """The rung while it is not too hot: a step back once it has been cool for long enough."""
    if not cool:
        return replace(rung, cool_s=None)
    cool_s = now_s if rung.cool_s is None else rung.cool_s
    if rung.step and now_s - max(cool_s, rung.since_s) >= ladder.restore_s:
        return replace(rung, step=rung.step - 1, since_s=now_s, cool_s=cool_s)
    return replace(rung, cool_s=cool_s)

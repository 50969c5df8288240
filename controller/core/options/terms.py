"""What a policy asks of one group's choice beside its net: premiums, what it counts for, thrift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.core.options.choice import Choice
from controller.core.policy.signals import Premium

Counts = tuple[tuple[str, float], ...]
"""What a choice adds to each requirement, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The same for all groups that are alike."""

    gpus: int = 1
    premiums: Mapping[str | None, Premium] = field(default_factory=dict)
    """By workload; they count when choosing and in nothing that is reported."""
    counts: Mapping[str | None, Counts] = field(default_factory=dict)
    """By workload."""
    thrift: str = ""
    """Why nothing but standing still may be chosen for money; empty: no such limit."""

    def premium_usd_per_h(self, workload: str | None) -> float:
        """What a workload counts for beside its net on the whole group."""
        premium = self.premiums.get(workload)
        return 0.0 if premium is None else premium.usd_per_gpu_h * self.gpus

    def weighed(
        self, hurdles: Mapping[str | None, float], runs: str | None
    ) -> Mapping[str | None, float]:
        """Hurdles with premiums in them: what is favoured need gain less, the present one more."""
        if not self.premiums:
            return hurdles
        here = self.premium_usd_per_h(runs)
        return {
            workload: hurdle + here - self.premium_usd_per_h(workload)
            for workload, hurdle in hurdles.items()
        }

    def counted(self, choice: Choice) -> Choice:
        """The choice with what it adds to requirements."""
        counts = self.counts.get(choice.workload)
        return choice if counts is None else replace(choice, counts=counts)


NO_TERMS = Terms()

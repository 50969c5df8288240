"""What is decided about one group, and what its site comes to, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.charges.steps import Wish
from controller.core.options.case import Stake
from controller.core.options.choice import Choice
from controller.core.options.economics import Demand, Prospect
from controller.core.policy.settings import PolicySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePicture:
    """What the whole site comes to under the plan."""

    demand: Demand
    serving: int
    """Groups that use up inference demand."""
    power_cap_w: float
    power_w: float
    capped: bool
    """The cap keeps somebody from what would pay more."""
    policy: PolicySettings
    wish: Wish | None = None
    """What the price of its draw changes; none: its draw has none."""
    binding: frozenset[str] = frozenset()
    """Requirements that change what is chosen, or are not met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one group shall do, before it is put into words."""

    stake: Stake
    workload: str | None
    prospect: Prospect | None
    """What it shall do, priced; none when its rig does not offer that any more."""
    seated: bool
    """Whether it will use up inference demand."""
    busy: float
    """Busy ratio of what it shall do; 1 for all that does not wait for requests."""
    net_usd_per_h: float | None
    """Its expected net; none without a price."""
    waiting: bool
    """It would move but for the limit on switches."""
    site: SitePicture
    owed: tuple[str, ...] = ()
    """Binding requirements that what it shall do counts towards."""

    @property
    def power_w(self) -> float:
        """Its expected watts; 0 where nobody knows them."""
        return (0.0 if self.prospect is None else self.prospect.power_w(self.busy)) or 0.0

    @property
    def moves(self) -> bool:
        """Whether it leaves what it does now for money or for a power cap."""
        standing = self.stake.case.standing
        return standing.free and self.workload != standing.runs


def verdict(
    stake: Stake, choice: Choice, share: float, site: SitePicture, *, waiting: bool
) -> Verdict:
    """What a choice comes to; `share` is how busy it would be if it serves, 0 to 1."""
    prospect = stake.case.prospects.get(choice.workload)
    busy = share if choice.serves else 1.0
    return Verdict(
        stake=stake,
        workload=choice.workload,
        prospect=prospect,
        seated=choice.serves,
        busy=busy,
        net_usd_per_h=None if prospect is None else prospect.net_usd_per_h(busy),
        waiting=waiting,
        site=site,
        owed=binding(choice, site),
    )


def binding(choice: Choice, site: SitePicture) -> tuple[str, ...]:
    """The binding requirements that a choice counts towards."""
    return tuple(name for name, _ in choice.counts if name in site.binding)

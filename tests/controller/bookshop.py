"""A ledger of a small farm, told what tests say that groups do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.core.books.entries import MICRO, Entry, Measure, Sums, total
from controller.core.books.ledger import Ledger, Sighting
from controller.core.books.posture import Shares
from controller.core.model import GroupKey, GroupView
from controller.core.policy.settings import PolicySettings
from controller.records import StoredAssignment
from tests.controller.fleet import POLICY, PRICES, planned
from wire.model import Assignment

BEGIN = 20_000 * 86_400.0
"""Midnight of a UTC day."""

H = 3_600.0
GAP_S = 900.0

CHEAP = {**PRICES, "etc": 0.03, "xmr": 0.02, "demand": 0.0}
"""At these etc pays most."""

RISEN = {**CHEAP, "xmr": 0.90}
"""At these xmr does."""


@dataclass
class Shop:
    """Tells its ledger plans at the prices given."""

    policy: PolicySettings = POLICY
    gap_s: float = GAP_S
    issued: dict[GroupKey, StoredAssignment] = field(default_factory=dict)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(through=None, records=(), gap_s=self.gap_s)

    def order(self, key: GroupKey, workload: str | None, generation: int, at: float) -> None:
        """What a reconciler does with a plan that moves a group."""
        assignment = Assignment(
            f"order-{generation}", key.group, generation, workload, reason="it pays"
        )
        self.issued[key] = StoredAssignment(
            key=key, assignment=assignment, created_at=at, cause="plan"
        )

    def turn(
        self,
        at: float,
        views: Sequence[GroupView],
        prices: Mapping[str, float | None] = CHEAP,
        shares: Shares | None = None,
    ) -> None:
        """A plan for these groups."""
        power = prices["power"]
        self.ledger.turn(
            Sighting(
                now=at,
                plan=replace(planned(views, prices, policy=self.policy), at=at),
                views=sorted(views, key=lambda one: one.key),
                issued=self.issued,
                tariffs={"oslo": power},
                policy=self.policy,
                shares=shares or {},
            )
        )

    def drained(self) -> Sequence[Entry]:
        """All that has come together."""
        return self.ledger.drain()[0]


def amount(sums: Sums, measure: Measure) -> float:
    """In whole units."""
    return sums[measure] / MICRO


def summed(entries: Sequence[Entry]) -> Mapping[Measure, float]:
    """All entries together, what is nothing left out; rounded to millionths."""
    sums = total(entries)
    return {measure: amount(sums, measure) for measure in Measure if sums[measure]}

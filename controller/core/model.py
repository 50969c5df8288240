"""Nouns of the decision: quotes, groups, holds, options, decisions, plans.

Money is US dollars; rates are per hour of one whole GPU group unless the name says otherwise.
Instants are seconds since the Unix epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.core.charges.steps import Wish
from controller.core.measured import Figures, Source
from controller.core.obligation import Coverage, Fulfilment
from controller.core.requirement import Unmet
from wire.figures import Measured
from wire.model import GroupOffer, GroupStatus, Kind, Rejection


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """One GPU group of one rig; written `rig/group`."""

    rig: str
    group: str

    def __str__(self) -> str:
        return f"{self.rig}/{self.group}"


@dataclass(frozen=True, slots=True)
class Observation:
    """One value that one source gave for one series. Not yet trusted."""

    series: str
    source: str
    value: float
    """In the unit that the series is declared in."""
    at: float
    """Instant that the value holds from, by the source."""


class QuoteState(StrEnum):
    """How far a quote can be trusted."""

    FRESH = "fresh"
    HELD = "held"
    """Implausible news is being ignored; the last trusted value stands, for now."""
    STALE = "stale"
    """Nobody has said anything for too long: no value."""
    MISSING = "missing"
    """Never seen: no value."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One trusted price, or none, and why."""

    series: str
    value: float | None
    at: float
    state: QuoteState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigRecord:
    """A rig as the farm's inventory knows it, from enrolment."""

    rig: str
    site: str
    rig_class: str
    labels: dict[str, str]
    public_key: str
    """CURVE public key, z85; empty over MQTT."""
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """One GPU group as the controller sees it now."""

    key: GroupKey
    site: str
    rig_class: str
    labels: dict[str, str]
    offer: GroupOffer
    status: GroupStatus | None
    """Newest report; none yet after the controller's start."""
    online: bool
    """Whether the rig was heard from lately."""
    generation: int
    """Newest generation that was assigned; 0: none."""
    assigned: str | None
    """Workload of that generation."""
    assigned_at: float
    """When that generation was made; 0: never."""
    measured: tuple[Measured, ...] = ()
    """What its rig says that it has measured, as it says it."""
    figures: Figures = field(default_factory=dict)
    """The same as far as it counts, and what its class has measured."""
    switch_s: float | None = None
    """Seconds that switches of this group have taken, typically; none until measured."""
    route_s: Mapping[tuple[str | None, str | None], float] = field(default_factory=dict)
    """Seconds that switches on groups of its class take, typically, by origin and target."""
    wake_s: Mapping[tuple[str | None, str | None], float] = field(default_factory=dict)
    """The same where the target slept beside the origin and was woken."""
    committed: bool = False
    """A contract stands behind the assignment: no price ends it."""
    avoided: tuple[Rejection, ...] = ()
    """What failed here lately, by its outcomes; not chosen for its price while it stands here."""

    @property
    def parked(self) -> str | None:
        """Workload that sleeps beside what runs; none, or nobody knows."""
        return None if self.status is None or not self.online else self.status.parked


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An operator's word on some groups. It beats every price, and it always ends."""

    hold_id: str
    rig: str
    group: str
    workload: str | None
    """Keep to this; ``None``: keep standing still."""
    owner: str
    reason: str
    created_at: float
    expires_at: float
    breaks_lock: bool = False
    """It holds even where something outside, such as a tenant, has a claim on what runs."""


class Block(StrEnum):
    """Why an option was not chosen although it pays more. Bounded: it is a metric label."""

    NONE = "none"
    HOLD = "hold"
    LOCKED = "locked"
    COMMITTED = "committed"
    MARGIN = "margin"
    DWELL = "dwell"
    REJECTED = "rejected"
    NO_QUOTE = "no_quote"
    NO_DEMAND = "no_demand"
    POWER_CAP = "power_cap"
    DEMAND_CHARGE = "demand_charge"
    MAINTENANCE = "maintenance"
    BUDGET = "budget"
    REQUIREMENT = "requirement"
    CONCURRENCY = "concurrency"
    ROLLOUT = "rollout"
    SWITCHING = "switching"
    OFFLINE = "offline"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing that a group could do, and what it would earn."""

    workload: str | None
    """``None``: stand still."""
    kind: Kind | None
    net_usd_per_h: float | None
    """Revenue less energy; none without a trusted price."""
    revenue_usd_per_h: float | None
    power_w: float | None
    """Expected watts at the wall."""
    blocked: Block = Block.NONE
    why: str = ""
    """What blocks it, one clause with the numbers."""
    basis: str = ""
    """Where its watts and its yield come from: measured, class, settings, nameplate."""
    power_source: Source = Source.NONE
    busy_w: float | None = None
    """Watts when busy all the time, by that source."""
    nameplate_w: float | None = None
    """The same by settings or nameplate, whatever was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one group shall do now, and why; the same text everywhere."""

    key: GroupKey
    current: str | None
    """Workload that it is assigned before this decision."""
    chosen: str | None
    kind: Kind | None
    options: tuple[Option, ...]
    """All options, best net first; those without a price last."""
    reason: str
    blocked: Block
    """What kept the best-paying option from being chosen; `NONE` when it was."""
    flip_usd_per_h: float | None
    """How much the best rival's net must rise for this group to move; none: no rival."""
    breaks_lock: bool = False
    """An operator's word that a lock on the group shall not stand in the way."""
    committed: bool = False
    """A contract stands behind it."""
    switch_usd: float = 0.0
    """What moving costs, the income that it interrupts included; 0 for one that stays."""

    @property
    def moves(self) -> bool:
        """Whether this decision asks for a switch."""
        return self.chosen != self.current

    def of(self, key: GroupKey) -> Decision:
        """The same for a group that is alike in all that counts."""
        return Decision(
            key=key,
            current=self.current,
            chosen=self.chosen,
            kind=self.kind,
            options=self.options,
            reason=self.reason,
            blocked=self.blocked,
            flip_usd_per_h=self.flip_usd_per_h,
            breaks_lock=self.breaks_lock,
            committed=self.committed,
            switch_usd=self.switch_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions for the whole fleet at one instant, in the order of their keys."""

    at: float
    decisions: Sequence[Decision]
    net_usd_per_h: float
    """Expected net of the chosen options that have a price."""
    power_w: dict[str, float]
    """Expected watts by site."""
    warnings: tuple[str, ...] = ()
    """What the plan could not honour, one sentence each, such as a cap that holds exceed."""
    contracts: tuple[Coverage, ...] = ()
    """Contracts that are owed now, or are being prepared for."""
    requirements: tuple[Fulfilment, ...] = ()
    """How far the plan meets what the policy requires of the whole fleet."""
    unmet: tuple[Unmet, ...] = ()
    """What the fleet owes and this plan does not give, and what would help."""
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    """By site whose draw has a price beyond its energy's: what that price changes."""
    value_usd_per_h: float = 0.0
    """What was made greatest: net less the hurdles of moves, less what unmet requirements cost."""
    bound_usd_per_h: float | None = None
    """No plan within the same limits has a greater value; none: unknown."""

    @property
    def gap_usd_per_h(self) -> float | None:
        """How much better a plan may exist at most; 0: this is the best, none: unknown."""
        if self.bound_usd_per_h is None:
            return None
        return max(0.0, self.bound_usd_per_h - self.value_usd_per_h)

"""What operators are told: the values that the API sends as JSON and the CLI reads back.

Field names are a public contract. Money is US dollars, instants are seconds since the Unix
epoch, and a value that nobody knows is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.model import Decision, GroupKey, Hold
from controller.core.obligation import Coverage, Fulfilment
from controller.records import StoredPolicy
from wire.figures import Measured
from wire.model import Phase, Rejection


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was found."""

    name: str
    ok: bool
    detail: str
    """What is wrong and what to do about it; when all is well, the figure that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """One GPU group: what it does, what it shall do, and who says so."""

    key: GroupKey
    site: str
    rig_class: str
    online: bool
    state: str
    """One of `controller.core.selector.STATES`."""
    phase: Phase | None
    """None: its rig has not reported yet."""
    active: str | None
    assigned: str | None
    generation: int
    """Newest that was assigned."""
    observed_generation: int
    """Newest that the rig has acknowledged."""
    rejected: tuple[Rejection, ...]
    reason: str
    hold: Hold | None
    net_usd_per_h: float | None
    """Expected of what is planned for it."""
    measured: tuple[Measured, ...] = ()
    """What its rig says that it has measured of its workloads."""
    lock: str = ""
    """Why no price may move it, such as a rental; empty: it is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigLine:
    """One rig of the inventory and its newest readings."""

    rig: str
    site: str
    rig_class: str
    labels: dict[str, str]
    online: bool
    revoked: bool
    groups: tuple[GroupLine, ...]
    gpus: int
    gpus_failing: int
    """GPUs that could not be read."""
    power_w: float | None
    """Sum over the GPUs that gave a value."""
    temperature_max_c: float | None
    sample_at_s: float | None
    """Rig clock of the newest readings."""
    trouble: str
    """Why readings are missing, if they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How one group's plan differs because of an order."""

    key: GroupKey
    current: str | None
    without: str | None
    """What it would do without the order."""
    planned: str | None
    """What it does with the order."""
    without_usd_per_h: float | None
    planned_usd_per_h: float | None
    obeyed: bool
    """False: something stands above the order; `reason` says what."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """What a switch or a hold does, or would do."""

    dry_run: bool
    keys: tuple[GroupKey, ...]
    """The groups that the selector means."""
    moves: tuple[Move, ...]
    """Those, and any other group whose plan changes because of them."""
    expires_at: float
    usd_per_h: float | None
    """Gain (loss if negative) against going without; none where a price is missing."""
    usd_total: float | None
    """The same over the whole time, less what the switches themselves take."""
    hold_ids: tuple[str, ...] = ()
    """One for each group; empty in a dry run."""
    order: str = ""
    """What all of `hold_ids` begin with; releases them together."""


@dataclass(frozen=True, slots=True)
class Released:
    """Holds that no longer stand."""

    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The decision for a group before the present one, and what it came to by the books."""

    at: float
    origin: str | None
    workload: str | None
    expected_usd: float
    """What the plan promised for the hours that are known."""
    realized_estimate_usd: float
    """Income less energy and wear."""
    gain_estimate_usd: float
    """Beyond having stayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one group does what it does."""

    line: GroupLine
    decision: Decision | None
    """None: no plan has looked at it yet."""
    ended: Ended | None = None
    """None: the books know of none, or too many groups are meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The fleet at a glance."""

    at: float
    plan_at: float | None
    rigs: int
    rigs_online: int
    groups: int
    by_state: dict[str, int]
    by_workload: dict[str, int]
    net_usd_per_h: float | None
    power_w: dict[str, float]
    """Expected watts by site."""
    moving: tuple[GroupLine, ...]
    """Groups between two workloads."""
    holds: tuple[Hold, ...]
    trouble: tuple[Check, ...]
    """Checks that failed."""
    locked: tuple[GroupLine, ...] = ()
    """Groups that no price may move, such as rented ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """What would be under other prices, caps or contracts."""

    changes: tuple[str, ...]
    """What was supposed, in words."""
    moves: tuple[Move, ...]
    """Groups that would do something else."""
    now_usd_per_h: float
    """What the fleet is planned to net now."""
    stay_usd_per_h: float
    """What it would net then if everybody stayed."""
    then_usd_per_h: float
    """What it would net then with those moves."""
    lasting: tuple[str, ...]
    """Sites whose supposed price is taken to last; the others look ahead as they do."""
    contracts: tuple[Coverage, ...]
    requirements: tuple[Fulfilment, ...]
    warnings: tuple[str, ...]
    """What the plan could not honour then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A rule of the policy and where it stands."""

    name: str
    when: str
    reason: str
    active: bool
    """Whether it is in effect."""
    against_since: float | None
    """Since when its condition has said the opposite; none: it agrees."""
    for_s: float
    """How long it must, before the rule follows."""
    trouble: str
    """Why its condition cannot be told; it counts as false then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyShown:
    """The policy in force, and how its parts stand."""

    version: StoredPolicy
    rules: tuple[RuleLine, ...]
    contracts: tuple[Coverage, ...]
    requirements: tuple[Fulfilment, ...]
    contracted_usd_per_h: float
    """What the contracts in force pay when they are served."""
    spent_usd: float
    """What switches have cost in the last 24 hours."""
    budget_usd_per_day: float | None
    """What they may cost; none: no limit."""
    warnings: tuple[str, ...]
    """Of the newest plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChecked:
    """A text that can be put in force."""

    digest: str
    changes: tuple[str, ...]
    """What differs from the policy in force; empty: they mean the same."""
    contracts: int
    desks: int
    rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPreview:
    """What a text would do to the fleet."""

    changes: tuple[str, ...]
    moves: tuple[Move, ...]
    """Groups whose plan would differ."""
    usd_per_h: float | None
    """What the fleet would net more each hour; none where a price is missing."""
    contracts: tuple[Coverage, ...]
    requirements: tuple[Fulfilment, ...]
    warnings: tuple[str, ...]
    """What the plan could not honour then."""
    settled: tuple[str, ...]
    """What it cannot honour now, and could then."""

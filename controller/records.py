"""What a controller remembers: the rows of its store, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.books.entries import DecisionRecord, Entry
from controller.core.model import GroupKey
from wire.figures import Measured
from wire.model import Assignment, GroupOffer, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAssignment:
    """An assignment with what the controller remembers about it."""

    key: GroupKey
    assignment: Assignment
    created_at: float
    cause: str
    """`plan` or an operator's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """An outcome with where and when it arrived."""

    rig: str
    outcome: Outcome
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What a rig last said of itself, so that a restarted controller need not wait for it."""

    rig: str
    groups: tuple[GroupOffer, ...]
    """Of its newest hello."""
    measured: tuple[Measured, ...] = ()
    """By group and workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy that was activated, and by whom."""

    number: int
    """Growing by one; the highest is the one in force."""
    digest: str
    """SHA-256 of the text, hexadecimal."""
    text: str
    at: float
    actor: str
    """An operator's name, or `CONFIGURATION`."""
    reason: str
    changes: str
    """What differed from the one before, one line each."""


CONFIGURATION = "controller.yaml"
"""Actor of a policy that came from the controller's own file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit: who did what to what, when, why."""

    at: float
    actor: str
    verb: str
    subject: str
    detail: str
    event_id: int = 0
    """Given by the store, growing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHour:
    """What an hour at a site was like, for habits to be learnt from."""

    site: str
    begun_at: float
    """When it began, epoch seconds of price time."""
    power_usd_per_kwh: float
    """Mean price, all in."""
    demand_groups: float | None
    """Mean of the groups that inference kept busy; none: the site has no such series."""
    switches: int
    """Switches of its groups that began."""
    brake_ratio: float
    """Price of a switch at its end, as a share of what a busy group takes in a tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What has come together in the ledger since the last time."""

    entries: Sequence[Entry]
    """They are added to what stands in the same accounts."""
    records: Sequence[DecisionRecord]
    """Decisions that are new; one that is known stays as it is."""
    through: float
    """Until when books were kept, epoch seconds."""

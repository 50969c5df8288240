"""The ledger: what each group really did under each plan, booked to place, desk and decision.

It is told every plan with the groups as they were seen, and judges both; it must never take part
in a decision. What it promises itself of a decision is written down when that is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.core.books import duties
from controller.core.books.daybook import Course, Daybook, Place
from controller.core.books.entries import MICRO, NOTHING, Account, DecisionRecord, Entry, Measure
from controller.core.books.entries import day_of as utc_day
from controller.core.books.posture import Rates, Shares, Tariff, state
from controller.core.books.posture import rates as priced
from controller.core.model import Decision, GroupKey, GroupView, Plan
from controller.core.policy import mandate
from controller.core.policy.settings import PolicySettings, switch_cost
from wire.model import Assignment, GroupStatus, Kind, Phase

REASON_CHARS_MAX = 300
"""Of a decision's reason this much is kept for the statement."""

KINS_MAX = 100_000
"""Kinds of groups that are told apart before all are looked at anew."""

FOUND = "found so when the books were opened"
TAKEN_OVER = "the rig was ahead of the controller; what it does was taken over"


class Issued(Protocol):
    """An assignment as it was sent."""

    @property
    def assignment(self) -> Assignment:
        """What was ordered."""

    @property
    def created_at(self) -> float:
        """When, epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """All that a turn of the ledger is told."""

    now: float
    plan: Plan
    """In force from now on."""
    views: Sequence[GroupView]
    """What the plan was made for, in the order of its decisions."""
    issued: Mapping[GroupKey, Issued]
    """Newest assignment of each group, this plan's among them."""
    tariffs: Mapping[str, float | None]
    """All-in price of power by site, US dollars per kWh."""
    policy: PolicySettings
    shares: Shares = field(default_factory=dict)
    """What part of each income the plan reckoned with."""


@dataclass(frozen=True, slots=True)
class _Kin:
    """What groups have in common that come to the same under the same options."""

    doing: Measure
    runs: str | None
    origin: str | None
    """What staying would mean; the same as `ordered`: nothing to compare with."""
    ordered: str | None
    promised_usd_per_h: float | None
    contracted: bool
    site: str
    rig_class: str


@dataclass(slots=True)
class _Glance:
    """A group as it was seen last: as long as it is the same, so is all that follows from it."""

    status: GroupStatus | None
    online: bool
    generation: int
    issued: Issued | None
    committed: bool
    kin: int
    course: Course


class _Turn:
    """One turn: what groups that are alike share."""

    def __init__(self, sighting: Sighting) -> None:
        self.sighting = sighting
        self.contracts = duties.by_workload(sighting.policy, sighting.now)
        self.rates: dict[tuple[int, int], Rates] = {}
        """By options and kin."""
        self._desks: dict[tuple[str, Kind | None], str] = {}

    def desk(self, workload: str | None, kind: Kind | None) -> str:
        """Who answers for a workload; empty: nobody."""
        if workload is None:
            return ""
        known = self._desks.get((workload, kind))
        if known is None:
            owner = mandate.owner(self.sighting.policy.desks, workload, kind)
            known = self._desks[workload, kind] = "" if owner is None else owner.name
        return known


class Ledger:
    """Books every plan. Entries and records wait here until somebody writes them down."""

    def __init__(
        self, *, through: float | None, records: Sequence[DecisionRecord], gap_s: float
    ) -> None:
        """`through`, `records`: what was written before: until when, and of each group the newest.

        `gap_s`: time between two plans that is longer than this is unaccounted for.
        """
        self._daybook = Daybook(through, gap_s)
        self._records = {GroupKey(one.rig, one.group): one for one in records}
        self._news: dict[tuple[GroupKey, int], DecisionRecord] = {}
        self._proven: dict[GroupKey, int] = {}
        self._glances: dict[GroupKey, _Glance] = {}
        self._kins: dict[_Kin, int] = {}
        self._agreed: tuple[PolicySettings, Collection[str]] | None = None
        """Policy and workloads under contract that the glances are of."""

    @property
    def through(self) -> float | None:
        """Until when it has been told."""
        return self._daybook.through

    def turn(self, sighting: Sighting) -> None:
        """From now on groups do what they were seen to do, at this plan's prices."""
        turn = _Turn(sighting)
        agreed = sighting.policy, tuple(turn.contracts)
        if agreed != self._agreed or len(self._kins) > KINS_MAX:
            self._glances.clear()
            self._kins.clear()
            self._agreed = agreed
        self._daybook.begin(sighting.now)
        issued, glances = sighting.issued, self._glances
        for view, decision in zip(sighting.views, sighting.plan.decisions, strict=True):
            glance = glances.get(view.key)
            if (
                glance is not None
                and glance.status is view.status
                and glance.online == view.online
                and glance.generation == view.generation
                and glance.issued is issued.get(view.key)
                and glance.committed == decision.committed
                and glance.course.place.site == view.site
            ):
                rates = turn.rates.get((id(decision.options), glance.kin))
                if rates is not None:
                    self._daybook.go_on(glance.course, rates)
                    continue
            self._look(view, decision, turn)
        for key, place, rates in duties.shortages(
            sighting.plan.contracts, sighting.policy, sighting.views
        ):
            self._daybook.tell(key, place, rates)
        self._daybook.end()
        if len(glances) > len(sighting.views):
            here = {view.key for view in sighting.views}
            for key in glances.keys() - here:
                del glances[key]

    def enter(self, entries: Sequence[Entry]) -> None:
        """Book what no group earned or spent; see `entries.charge`."""
        self._daybook.add(entries)

    def drain(self) -> tuple[list[Entry], list[DecisionRecord]]:
        """All that has come together since the last time."""
        news = list(self._news.values())
        self._news.clear()
        return self._daybook.drain(), news

    def record(self, key: GroupKey) -> DecisionRecord | None:
        """The newest decision that is known of a group."""
        return self._records.get(key)

    def _look(self, view: GroupView, decision: Decision, turn: _Turn) -> None:
        """Take in a group that is not as it was, or whose options have no rates yet."""
        record = self._recorded(view, decision, turn)
        status, proven = view.status, self._has_run(view, record)
        doing = state(status, record.generation, online=view.online, proven=proven)
        runs = status.active if status and doing is Measure.EARNING_H else None
        named = runs if doing in (Measure.EARNING_H, Measure.STILL_H) else record.workload
        served = turn.contracts.get(runs or "", ()) if decision.committed else ()
        payer = duties.payer(served, view)
        kin = _Kin(
            doing, runs, record.origin, record.workload, record.promised_usd_per_h,
            payer is not None, view.site, view.rig_class,
        )  # fmt: skip
        number = self._kins.setdefault(kin, len(self._kins))
        rates = turn.rates.get((id(decision.options), number))
        if rates is None:
            tariff = Tariff(turn.sighting.tariffs.get(view.site))
            rates = priced(
                doing, decision, view, record, tariff, turn.sighting.shares,
                contracted=payer is not None,
            )  # fmt: skip
            turn.rates[id(decision.options), number] = rates
        desk = turn.desk(named, _kind(view, named))
        place = Place(
            view.site, view.key.rig, view.key.group, named or "",
            payer.desk or desk if payer else desk,
            record.generation, payer.name if payer else "",
        )  # fmt: skip
        course = self._daybook.tell(view.key, place, rates)
        issued = turn.sighting.issued.get(view.key)
        self._glances[view.key] = _Glance(
            status, view.online, view.generation, issued, decision.committed, number, course
        )

    def _has_run(self, view: GroupView, record: DecisionRecord) -> bool:
        """Whether what was ordered has ever been seen to run."""
        status, generation = view.status, record.generation
        if self._proven.get(view.key) == generation:
            return True
        if status is None or status.generation != generation or status.phase is not Phase.RUNNING:
            return False
        if status.active == record.workload:
            self._proven[view.key] = generation
        return status.active == record.workload

    def _recorded(self, view: GroupView, decision: Decision, turn: _Turn) -> DecisionRecord:
        """The decision that holds for a group, written down when it is new."""
        issued = turn.sighting.issued.get(view.key)
        ordered = 0 if issued is None else issued.assignment.generation
        generation = max(ordered, view.generation)
        known = self._records.get(view.key)
        if known is not None and known.generation >= generation:
            return known
        made = (
            issued is not None
            and generation == ordered
            and issued.created_at >= turn.sighting.plan.at
        )
        if issued is not None and generation == ordered:
            workload, at, reason = (
                issued.assignment.workload, issued.created_at, issued.assignment.reason
            )  # fmt: skip
        else:
            workload, at = view.assigned, turn.sighting.now
            reason = FOUND if issued is None else TAKEN_OVER
        moves = made and decision.moves and decision.chosen == workload
        record = DecisionRecord(
            rig=view.key.rig,
            group=view.key.group,
            generation=generation,
            at=at,
            origin=decision.current if moves else workload,
            workload=workload,
            reason=(reason or FOUND)[:REASON_CHARS_MAX],
            promised_usd_per_h=_net(decision, workload),
            switch_usd=decision.switch_usd if moves else 0.0,
        )
        self._records[view.key] = self._news[view.key, generation] = record
        if moves:
            self._daybook.add([_begun(view, record, turn)])
        return record


def _begun(view: GroupView, record: DecisionRecord, turn: _Turn) -> Entry:
    """What a switch costs at once, and what the plan reckoned with."""
    kinds = _kind(view, record.origin), _kind(view, record.workload)
    wear_usd = switch_cost(turn.sighting.policy, *kinds).cost_usd
    sums = list(NOTHING)
    sums[Measure.WEAR_USD] = round(wear_usd * MICRO)
    sums[Measure.GAIN_USD] = -sums[Measure.WEAR_USD]
    sums[Measure.EXPECTED_USD] = -round(record.switch_usd * MICRO)
    desk = turn.desk(record.workload, kinds[1])
    account = Account(
        utc_day(turn.sighting.now), view.site, record.rig, record.group, record.workload or "",
        desk, record.generation, "",
    )  # fmt: skip
    return Entry(account, tuple(sums))


def _kind(view: GroupView, workload: str | None) -> Kind | None:
    return next((offer.kind for offer in view.offer.workloads if offer.name == workload), None)


def _net(decision: Decision, workload: str | None) -> float | None:
    return next(
        (option.net_usd_per_h for option in decision.options if option.workload == workload), None
    )

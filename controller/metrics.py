"""The controller in Prometheus' words. Names are a public contract, described in docs/metrics.md.

Everything is read from one frozen snapshot at the scrape, so no two figures contradict each
other, and whatever has left the fleet leaves the metrics. Labels come from the inventory and from
closed sets, never from free text.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from controller import owed
from controller.core.books.results import Results
from controller.core.charges.account import Bill
from controller.core.model import Decision, GroupView, Plan, Quote, QuoteState
from wire.model import OFF, Outcome, Phase, Result

Labels = TypeVar("Labels", bound=tuple[str, ...])

PHASE_BUCKETS_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From an idle GPU that is found empty at once to a large model that is fetched first."""

OTHER = "other"
"""A workload that its rig reports but does not offer."""

UNHEARD = "unknown"
"""Of a rig that has not reported since the controller's start."""


@dataclass(slots=True)
class PhaseTimes:
    """Seconds that groups spent in one phase, counted into buckets."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(PHASE_BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one stay."""
        self.counts[bisect_left(PHASE_BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class SwitchTimes:
    """What outcomes add up to since the controller started."""

    results: Counter[Result] = field(default_factory=Counter)
    phases: dict[Phase, PhaseTimes] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome that is news."""
        self.results[outcome.result] += 1
        for phase, seconds in outcome.phase_s:
            self.phases.setdefault(phase, PhaseTimes()).add(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSnapshot:
    """All that the controller's metrics say, at one instant."""

    version: str
    now: float
    rigs_online: int
    rigs_offline: int
    views: tuple[GroupView, ...]
    plan: Plan | None
    plan_duration_s: float | None
    quotes: tuple[Quote, ...]
    holds: int
    """Holds that stand."""
    switches: SwitchTimes
    results: Results
    delivered: Mapping[tuple[str, str | None], float]
    """By class and workload: part of the income that is reckoned with; absent: all of it."""
    power_cap_w: Mapping[str, float]
    """By site; sites without a cap are absent."""
    bills: Sequence[Bill]
    """Where each demand charge stands."""
    orders_sent: int
    orders_resent: int
    frames_refused: int


class Exposition:
    """Renders snapshots; a call takes an `Accept` header and gives body and content type."""

    def __init__(self, snapshot: Callable[[], ControllerSnapshot]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(snapshot))

    def __call__(self, accept: str) -> tuple[bytes, str]:
        """The metrics now, in the newest format that the scraper accepts."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, snapshot: Callable[[], ControllerSnapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        now = self._snapshot()
        yield InfoMetricFamily(
            "rigshift_controller_build", "Version of the controller.", {"version": now.version}
        )
        for part in (_fleet, _decisions, _plan, _quotes, _switches, _books, _link):
            yield from part(now)


def _fleet(now: ControllerSnapshot) -> Iterator[Metric]:
    rigs = {("online",): now.rigs_online, ("offline",): now.rigs_offline}
    yield _gauge("rigs", "Admitted rigs, by whether they were heard from lately.", ["state"], rigs)
    phases = Counter(view.status.phase.value if view.status else "unknown" for view in now.views)
    every_phase = {(name,): phases[name] for name in (*(p.value for p in Phase), "unknown")}
    yield _gauge("phase_groups", "GPU groups by phase.", ["phase"], every_phase)
    offered = {(offer.name,): 0 for view in now.views for offer in view.offer.workloads}
    active = Counter((_active(view),) for view in now.views)
    every_workload = offered | {(OFF,): 0} | active
    yield _gauge("workload_groups", "GPU groups by active workload.", ["workload"], every_workload)
    yield _gauge("holds", "Operators' holds that stand.", [], {(): now.holds})
    locked = sum(bool(view.status and view.status.lock) for view in now.views)
    help_ = "GPU groups that no price may move because they are rented or otherwise locked."
    yield _gauge("locked_groups", help_, [], {(): locked})
    asleep = Counter((view.parked,) for view in now.views if view.parked is not None)
    help_ = "GPU groups beside whose workload a server sleeps, by that server; absent: none."
    yield _gauge("parked_groups", help_, ["workload"], asleep)


def _active(view: GroupView) -> str:
    if view.status is None:
        return UNHEARD
    name = view.status.active
    offered = {offer.name for offer in view.offer.workloads}
    return OFF if name is None else name if name in offered else OTHER


_GROUP = ("rig", "group")


def _decisions(now: ControllerSnapshot) -> Iterator[Metric]:
    decisions = now.plan.decisions if now.plan else ()
    options = [
        (decision, option, (*_names(decision), option.workload or OFF))
        for decision in decisions
        for option in decision.options
    ]
    yield _gauge(
        "group_chosen",
        "1 for the workload that the plan chose for the group, 0 for each other option.",
        [*_GROUP, "workload"],
        {names: option.workload == decision.chosen for decision, option, names in options},
    )
    yield _gauge(
        "option_net_usd_per_hour",
        "Expected net US dollars per hour of each option; absent without a trusted price.",
        [*_GROUP, "workload"],
        {names: option.net_usd_per_h for _, option, names in options},
    )
    yield _gauge(
        "option_busy_watts",
        "Watts at the wall that the plan reckons with for each option, and where they come from.",
        [*_GROUP, "workload", "source"],
        {(*names, option.power_source.value): option.busy_w for _, option, names in options},
    )
    yield _gauge(
        "option_nameplate_watts",
        "The same by settings or nameplate, whatever was measured; absent where nobody says.",
        [*_GROUP, "workload"],
        {names: option.nameplate_w for _, option, names in options},
    )
    yield _gauge(
        "group_blocked",
        "1 for what kept the best-paying option from being chosen; other reasons are absent.",
        [*_GROUP, "reason"],
        {(*_names(decision), decision.blocked.value): 1 for decision in decisions},
    )
    yield _gauge(
        "group_flip_distance_usd_per_hour",
        "How much the best rival's net must rise for the group to move; absent without a rival.",
        [*_GROUP],
        {_names(decision): decision.flip_usd_per_h for decision in decisions},
    )


def _names(decision: Decision) -> tuple[str, str]:
    return decision.key.rig, decision.key.group


def _plan(now: ControllerSnapshot) -> Iterator[Metric]:
    plan = now.plan
    age_s = now.now - plan.at if plan else None
    yield _gauge("plan_age_seconds", "Time since the newest plan.", [], {(): age_s})
    help_ = "Time that the newest plan took to make."
    yield _gauge("plan_duration_seconds", help_, [], {(): now.plan_duration_s})
    net = plan.net_usd_per_h if plan else None
    help_ = "Expected net US dollars per hour of the whole plan."
    yield _gauge("plan_net_usd_per_hour", help_, [], {(): net})
    watts = {(site,): power_w for site, power_w in sorted((plan.power_w if plan else {}).items())}
    yield _gauge("site_power_watts", "Expected power of the plan by site.", ["site"], watts)
    caps = {(site,): cap_w for site, cap_w in sorted(now.power_cap_w.items())}
    yield _gauge("site_power_cap_watts", "Highest power allowed by site.", ["site"], caps)
    yield from _charged(now.bills)
    yield from (_gauge(*one) for one in owed.gauges(plan))


def _charged(bills: Sequence[Bill]) -> Iterator[Metric]:
    labels = ["site", "charge"]
    help_ = "Highest mean draw of the billing month so far, the rest of the building included."
    peaks = {(bill.site, bill.charge): bill.peak_w for bill in bills}
    yield _gauge("demand_peak_watts", help_, labels, peaks)
    help_ = "US dollars that the demand charge of the billing month comes to so far."
    yield _gauge("demand_charge_usd", help_, labels, {(b.site, b.charge): b.usd for b in bills})


def _quotes(now: ControllerSnapshot) -> Iterator[Metric]:
    help_ = "Trusted value of a series, in its own unit; absent when there is none."
    yield _gauge("quote_value", help_, ["series"], {(q.series,): q.value for q in now.quotes})
    ages = {
        (quote.series,): None if quote.state is QuoteState.MISSING else now.now - quote.at
        for quote in now.quotes
    }
    yield _gauge("quote_age_seconds", "Age of a series' newest value.", ["series"], ages)
    states = {
        (quote.series, state.value): quote.state is state
        for quote in now.quotes
        for state in QuoteState
    }
    help_ = "1 for how far a series can be trusted, 0 for each other state."
    yield _gauge("quote_state", help_, ["series", "state"], states)


def _switches(now: ControllerSnapshot) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "rigshift_outcomes", "Ended assignments by result, since the start.", labels=["result"]
    )
    for result in Result:
        outcomes.add_metric([result.value], now.switches.results[result])
    yield outcomes
    histogram = HistogramMetricFamily(
        "rigshift_switch_phase_seconds", "Time that switches spent in a phase.", labels=["phase"]
    )
    bounds = [*map(str, PHASE_BUCKETS_S), "+Inf"]
    for phase, times in sorted(now.switches.phases.items()):
        buckets = list(zip(bounds, accumulate(times.counts), strict=True))
        histogram.add_metric([phase.value], buckets, times.sum_s)
    yield histogram


def _books(now: ControllerSnapshot) -> Iterator[Metric]:
    results = sorted(now.results.items())
    expected = {(desk,): one.expected_usd for desk, one in results}
    realized = {(desk,): one.realized_usd for desk, one in results}
    help_ = "Net US dollars forecast for the time since the start; falls with losses."
    yield _gauge("forecast_expected_usd", help_, [], {(): math.fsum(expected.values())})
    help_ = "Net US dollars earned in the same time; falls with losses."
    yield _gauge("forecast_realized_usd", help_, [], {(): math.fsum(realized.values())})
    yield _gauge("desk_expected_usd", "The forecast by desk.", ["desk"], expected)
    yield _gauge("desk_realized_usd", "What was earned by desk.", ["desk"], realized)
    help_ = "Earned beyond the forecast as part of it; absent where no gain was forecast."
    yield _gauge("forecast_error_ratio", help_, ["desk"], {(d,): r.error_ratio for d, r in results})
    shares = {(rig_class, name or OFF): s for (rig_class, name), s in now.delivered.items()}
    help_ = "Part of its income that a workload is reckoned with on a class; absent: all of it."
    yield _gauge("delivered_ratio", help_, ["rig_class", "workload"], shares)


def _link(now: ControllerSnapshot) -> Iterator[Metric]:
    for name, help_, value in (
        ("orders_sent", "Orders sent to rigs, repetitions included.", now.orders_sent),
        ("orders_resent", "Orders sent again for want of an answer.", now.orders_resent),
        ("frames_refused", "Frames from rigs that were not accepted.", now.frames_refused),
    ):
        yield CounterMetricFamily(f"rigshift_{name}", help_, value)


def _gauge(
    name: str, help_: str, labels: list[str], values: Mapping[Labels, float | None]
) -> Metric:
    """A gauge without the samples that have no value."""
    family = GaugeMetricFamily(f"rigshift_{name}", help_, labels=labels)
    for label_values, value in values.items():
        if value is not None:
            family.add_metric(label_values, float(value))
    return family

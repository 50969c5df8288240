"""Renders the metrics of a snapshot, in whatever format the scraper accepts.

Whatever has left the fleet leaves the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

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

from controller.metrics import fleet, money, owed, plan
from controller.metrics.gauge import Gauge
from controller.metrics.snapshot import ControllerSnapshot
from controller.metrics.switches import PHASE_BUCKETS_S
from wire.model import Result

GAUGES = (
    fleet.gauges,
    plan.decisions,
    plan.sums,
    money.charges,
    owed.gauges,
    money.quotes,
    money.books,
)
"""Everything that has no history."""


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
        for part in GAUGES:
            yield from map(_family, part(now))
        yield from _switches(now)
        yield from _link(now)


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


def _link(now: ControllerSnapshot) -> Iterator[Metric]:
    for name, help_, value in (
        ("orders_sent", "Orders sent to rigs, repetitions included.", now.orders_sent),
        ("orders_resent", "Orders sent again for want of an answer.", now.orders_resent),
        ("frames_refused", "Frames from rigs that were not accepted.", now.frames_refused),
    ):
        yield CounterMetricFamily(f"rigshift_{name}", help_, value)


def _family(one: Gauge) -> Metric:
    family = GaugeMetricFamily(f"rigshift_{one.name}", one.help, labels=one.labels)
    for labels, value in one.samples:
        family.add_metric(labels, value)
    return family

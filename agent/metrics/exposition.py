"""Puts a snapshot into Prometheus' formats, in a registry of its own.

A scrape must never touch a driver, a disk or a lock: it reads the snapshot that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from agent.metrics.families import FAMILIES
from agent.metrics.family import Family, Row, Type
from agent.metrics.snapshot import AgentSnapshot


class AgentMetrics(Collector):
    """The agent's metrics, made from a snapshot at each scrape."""

    def __init__(self, snapshot: Callable[[], AgentSnapshot]) -> None:
        """`snapshot` is called from the serving threads and must not block."""
        self._snapshot = snapshot
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The families that have at least one series now."""
        snapshot = self._snapshot()
        for family in FAMILIES:
            rows = [row for row in family.rows(snapshot) if row.value is not None]
            if rows:
                yield _metric(family, rows)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type for an `Accept` header: OpenMetrics or the older text format."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type


def _metric(family: Family, rows: list[Row]) -> Metric:
    match family.type:
        case Type.COUNTER:
            counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
            for row in rows:
                counter.add_metric(row.labels, _number(row))
            return counter
        case Type.INFO:
            name = family.name.removesuffix("_info")
            info = InfoMetricFamily(name, family.help, labels=family.labels)
            for row in rows:
                info.add_metric((), dict(zip(family.labels, row.labels, strict=True)))
            return info
        case Type.SUMMARY:
            summary = SummaryMetricFamily(family.name, family.help, labels=family.labels)
            for row in rows:
                summary.add_metric(row.labels, count_value=row.count, sum_value=_number(row))
            return summary
        case Type.GAUGE:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for row in rows:
                gauge.add_metric(row.labels, _number(row))
            return gauge


def _number(row: Row) -> float:
    assert row.value is not None, "rows without a value were left out"
    return float(row.value)

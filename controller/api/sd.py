"""Prometheus HTTP service discovery: the inventory says where the agents' metrics are.

The list is always whole: Prometheus forgets what it does not find in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from controller.core.model import RigRecord


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """One entry of the format that Prometheus reads."""

    targets: tuple[str, ...]
    labels: dict[str, str]


def target_groups(scraped: Iterable[tuple[RigRecord, str]]) -> tuple[TargetGroup, ...]:
    """A target for every rig that said where its metrics are."""
    located = ((record, urlsplit(url)) for record, url in scraped)
    return tuple(
        TargetGroup((url.netloc,), _labels(record, url)) for record, url in located if url.netloc
    )


def _labels(record: RigRecord, url: SplitResult) -> dict[str, str]:
    return {
        "rig": record.rig,
        "site": record.site,
        "rig_class": record.rig_class,
        "__scheme__": url.scheme or "http",
        "__metrics_path__": url.path or "/metrics",
    }

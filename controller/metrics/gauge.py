"""One gauge with its samples, as plain values; whoever renders it knows the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

Labels = TypeVar("Labels", bound=tuple[str, ...])


class Gauge(NamedTuple):
    """One family of samples."""

    name: str
    """Without the prefix that all of rigshift's names have."""
    help: str
    labels: Sequence[str]
    samples: Sequence[tuple[tuple[str, ...], float]]
    """Values of the labels, and the sample's own."""


def gauge(
    name: str, help_: str, labels: Sequence[str], values: Mapping[Labels, float | None]
) -> Gauge:
    """A gauge without the samples that have no value."""
    samples = [(key, float(value)) for key, value in values.items() if value is not None]
    return Gauge(name, help_, labels, samples)

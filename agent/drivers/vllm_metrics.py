"""The few of vLLM's Prometheus metrics that tell how busy a server is.

Names are matched without their prefix and labels, and summed over engines and models: prefixes
and labels change between versions. A metric that is missing gives ``None``, never 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RUNNING = "num_requests_running"
WAITING = "num_requests_waiting"
TOKENS = "generation_tokens_total"

_SAMPLE = re.compile(
    rf"^(?:\w+:|[a-z]+_)?(?P<name>{RUNNING}|{WAITING}|{TOKENS})(?:\{{.*\}})?\s+(?P<value>\S+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is, over all its engines."""

    running: int | None = None
    waiting: int | None = None
    tokens_total: int | None = None
    """Generated tokens since its start."""

    @property
    def idle(self) -> bool:
        """Whether it says that nothing runs and nothing waits."""
        return self.running == 0 and self.waiting == 0


def parse(exposition: bytes) -> Load:
    """Read a `/metrics` answer; lines that do not fit are passed over."""
    sums: dict[str, float] = {}
    for sample in _SAMPLE.finditer(exposition.decode(errors="replace")):
        name, value = sample["name"], _number(sample["value"])
        if value is not None:
            sums[name] = sums.get(name, 0.0) + value
    return Load(
        running=_whole(sums.get(RUNNING)),
        waiting=_whole(sums.get(WAITING)),
        tokens_total=_whole(sums.get(TOKENS)),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)

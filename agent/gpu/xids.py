"""XID errors over the lives of several collectors: a fatal one often takes its witness along."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from wire.model import GpuReading


class XidLedger:
    """Adds what earlier collectors heard to what the present one hears."""

    def __init__(self) -> None:
        self._before: dict[str, GpuReading] = {}
        self._newest: dict[str, GpuReading] = {}

    def merge(self, gpus: tuple[GpuReading, ...]) -> tuple[GpuReading, ...]:
        """The readings with all XID errors since the agent started."""
        merged = tuple(self._add(reading) for reading in gpus)
        self._newest = {reading.uuid: reading for reading in merged}
        return merged

    def restart(self) -> None:
        """The present collector's counts end here; the next one begins at nothing."""
        self._before = self._newest

    def _add(self, reading: GpuReading) -> GpuReading:
        before = self._before.get(reading.uuid)
        if before is None or before.xid_count is None:
            return reading
        last = before.xid_last if reading.xid_last is None else reading.xid_last
        numbers = Counter(dict(before.xids or ())) + Counter(dict(reading.xids or ()))
        return replace(
            reading,
            xid_count=before.xid_count + (reading.xid_count or 0),
            xid_last=last,
            xids=tuple(sorted(numbers.items())),
        )

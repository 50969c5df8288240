"""All GPUs of a rig through NVML, read by one thread, one call after the other.

A GPU is known by its UUID, never by its index: the order changes from boot to boot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.gpu.nvml import BLIND, Nvml, NvmlError
from agent.gpu.nvml_card import Card
from agent.gpu.nvml_xid import XidWatch
from agent.gpu.source import Doing, SourceError
from wire.model import GpuReading

GPUS_MAX = 64
"""GPUs read; a driver that shows more is not believed."""


class NvmlSource:
    """The driver's GPUs, and for each wanted UUID that it does not show a reading that says so."""

    def __init__(self, wanted: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._wanted = wanted
        self._driver = Nvml(clock)
        self._cards: dict[str, Card] = {}
        self._unopened: list[str] = []
        self._xids = XidWatch(self._driver)

    @property
    def doing(self) -> Doing | None:
        """The call under way, if any."""
        return self._driver.doing

    def open(self) -> None:
        """Load the driver library and find the GPUs. Raises `SourceError`."""
        try:
            self._driver.call("nvmlInit")
            count = int(self._driver.call("nvmlDeviceGetCount"))
        except NvmlError as error:
            raise SourceError(error.advice) from error
        for index in range(min(count, GPUS_MAX)):
            self._open_card(index)
        if not self._cards:
            raise SourceError(self._why_none())
        self._xids.listen(self._cards.values())

    def look(self, *, slow: bool) -> tuple[GpuReading, ...]:
        """Read every GPU. Raises `SourceError` when the driver itself has gone."""
        if slow:
            self._xids.listen(self._cards.values())
        self._xids.hear()
        seen = [self._with_xids(card.look(slow=slow)) for card in self._cards.values()]
        return (*seen, *(self._missing(uuid) for uuid in self._wanted if uuid not in self._cards))

    def occupancy(self, gpus: tuple[str, ...]) -> tuple[GpuReading, ...]:
        """Memory and processes of some GPUs, read now. Raises `SourceError`."""
        return tuple(
            self._cards[uuid].occupancy() if uuid in self._cards else self._missing(uuid)
            for uuid in gpus
        )

    def _open_card(self, index: int) -> None:
        try:
            handle = self._driver.call("nvmlDeviceGetHandleByIndex", index)
            card = Card(self._driver, handle)
        except NvmlError as error:
            if error.code in BLIND:
                raise SourceError(error.advice) from error
            self._unopened.append(f"GPU number {index}: {error}")
        else:
            self._cards[card.uuid] = card

    def _with_xids(self, reading: GpuReading) -> GpuReading:
        tally = self._xids.tally(reading.uuid)
        if tally is None:
            return reading
        return replace(reading, xid_count=tally.count, xid_last=tally.last)

    def _missing(self, uuid: str) -> GpuReading:
        unopened = f" It cannot open {'; '.join(self._unopened)}." if self._unopened else ""
        return GpuReading(uuid, error=f"the driver does not show this GPU.{unopened}")

    def _why_none(self) -> str:
        if self._unopened:
            return f"no GPU can be opened; read `dmesg`: {'; '.join(self._unopened)}"
        return (
            "the driver shows no GPU; check `nvidia-smi -L`, and that the service has "
            "`DeviceAllow=char-nvidia*` (with the star)"
        )

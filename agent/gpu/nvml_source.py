"""All GPUs of a rig through NVML, read by one thread, one call after the other.

A GPU is known by its UUID, never by its index: the order changes from boot to boot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.gpu.nvml import BLIND, Nvml, NvmlError
from agent.gpu.nvml_card import Card
from agent.gpu.nvml_xid import XidWatch
from agent.gpu.pipe import Avoided
from agent.gpu.source import Doing, SourceError
from wire.model import GpuReading

GPUS_MAX = 64
"""GPUs read; a driver that shows more is not believed."""


class _AvoidedError(Exception):
    """This GPU is not to be touched now."""


class NvmlSource:
    """The driver's GPUs, and for each wanted UUID that it does not show a reading that says so."""

    def __init__(
        self,
        wanted: tuple[str, ...],
        clock: Callable[[], float],
        avoided: tuple[Avoided, ...] = (),
    ) -> None:
        """`avoided`: GPUs whose calls hung; they are not touched before their time is over."""
        self._wanted = wanted
        self._clock = clock
        self._began_s = clock()
        self._driver = Nvml(clock)
        self._cards: dict[str, Card] = {}
        self._avoided = {avoided.gpu: avoided for avoided in avoided}
        self._unopened: dict[int, str] = {}
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
        if not self._cards and not self._avoided:
            raise SourceError(self._why_none())
        self._xids.listen(self._cards.values())

    def look(self, *, slow: bool) -> tuple[GpuReading, ...]:
        """Read every GPU. Raises `SourceError` when the driver itself has gone."""
        if slow:
            self._try_again()
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
        name = f"GPU number {index}"
        try:
            self._mind(name)
            handle = self._driver.call("nvmlDeviceGetHandleByIndex", index, about=name)
            uuid = str(self._driver.call("nvmlDeviceGetUUID", handle, about=name))
            self._mind(uuid)
        except NvmlError as error:
            if error.code in BLIND:
                raise SourceError(error.advice) from error
            self._unopened[index] = f"{name}: {error}"
        except _AvoidedError as error:
            self._unopened[index] = f"{name}: {error}"
        else:
            self._unopened.pop(index, None)
            self._cards[uuid] = Card(self._driver, handle, uuid)

    def _mind(self, gpu: str) -> None:
        """Raises `_AvoidedError` while a GPU must not be touched."""
        avoided = self._avoided.get(gpu)
        if avoided is not None and self._clock() - self._began_s < avoided.for_s:
            raise _AvoidedError(avoided.why)

    def _try_again(self) -> None:
        """What was avoided may be sound again; if not, it is avoided for longer the next time."""
        over = [a.gpu for a in self._avoided.values() if self._clock() - self._began_s >= a.for_s]
        if over:
            for gpu in over:
                del self._avoided[gpu]
            for index in tuple(self._unopened):
                self._open_card(index)

    def _with_xids(self, reading: GpuReading) -> GpuReading:
        tally = self._xids.tally(reading.uuid)
        if tally is None:
            return reading
        numbers = tuple(sorted(tally.numbers.items()))
        return replace(reading, xid_count=tally.count, xid_last=tally.last, xids=numbers)

    def _missing(self, uuid: str) -> GpuReading:
        if uuid in self._avoided:
            return GpuReading(uuid, error=self._avoided[uuid].why)
        told = "; ".join(self._unopened.values())
        unopened = f" It cannot open {told}." if told else ""
        return GpuReading(uuid, error=f"the driver does not show this GPU.{unopened}")

    def _why_none(self) -> str:
        if self._unopened:
            told = "; ".join(self._unopened.values())
            return f"no GPU can be opened; read `dmesg`: {told}"
        return (
            "the driver shows no GPU; check `nvidia-smi -L`, and that the service has "
            "`DeviceAllow=char-nvidia*` (with the star)"
        )

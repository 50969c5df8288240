"""XID errors as the driver announces them; counted since this process began to listen.

The event stream must never be trusted to be alive but by an event or a timeout: any other answer
means that it is dead, returns at once, and would spin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.gpu import nvml
from agent.gpu.nvml import Nvml, NvmlError
from agent.gpu.nvml_card import Card

EVENTS_MAX = 64
"""Events taken per look; the rest wait for the next one."""


@dataclass(frozen=True, slots=True)
class Tally:
    """XID errors of one GPU."""

    count: int = 0
    last: int | None = None
    numbers: Mapping[int, int] = field(default_factory=dict)
    """How often each came."""


class XidWatch:
    """Listens for XID errors of all GPUs; deaf GPUs have no tally."""

    def __init__(self, driver: Nvml) -> None:
        self._driver = driver
        self._events: Any = None
        self._tallies: dict[str, Tally] = {}
        self._uuids: dict[int, str] = {}

    def tally(self, uuid: str) -> Tally | None:
        """What was heard of one GPU; ``None`` when it cannot be heard."""
        return self._tallies.get(uuid)

    def listen(self, cards: Iterable[Card]) -> None:
        """Begin, or begin again after the stream died; harmless while it lives."""
        if self._events is not None:
            return
        try:
            self._events = self._driver.call("nvmlEventSetCreate")
        except NvmlError:
            return
        for card in cards:
            if not card.lost and self._register(card):
                self._tallies.setdefault(card.uuid, Tally())
                self._uuids[nvml.address(card.handle)] = card.uuid

    def hear(self) -> None:
        """Take the events that have come, without waiting."""
        if self._events is None:
            return
        try:
            for _ in range(EVENTS_MAX):
                self._count(self._driver.call("nvmlEventSetWait_v2", self._events, 0))
        except NvmlError as error:
            if error.code != nvml.TIMEOUT:
                self._drop()

    def _register(self, card: Card) -> bool:
        try:
            events = self._driver.call(
                "nvmlDeviceGetSupportedEventTypes", card.handle, about=card.uuid
            )
            if not events & nvml.XID_CRITICAL:
                return False
            self._driver.call(
                "nvmlDeviceRegisterEvents",
                card.handle,
                nvml.XID_CRITICAL,
                self._events,
                about=card.uuid,
            )
        except NvmlError:
            return False
        return True

    def _count(self, event: Any) -> None:
        if not event.eventType & nvml.XID_CRITICAL:
            return
        uuid = self._uuid(event.device)
        if uuid is not None:
            tally, number = self._tallies.get(uuid, Tally()), int(event.eventData)
            numbers = {**tally.numbers, number: tally.numbers.get(number, 0) + 1}
            self._tallies[uuid] = Tally(tally.count + 1, number, numbers)

    def _uuid(self, device: Any) -> str | None:
        """A GPU may be too far gone to tell its name; then its handle has to do."""
        try:
            return str(self._driver.call("nvmlDeviceGetUUID", device))
        except NvmlError:
            return self._uuids.get(nvml.address(device))

    def _drop(self) -> None:
        try:
            self._driver.call("nvmlEventSetFree", self._events)
        except NvmlError:
            pass  # It was dead already.
        finally:
            self._events = None

"""One GPU that is tuned through NVML. Reads and sets as it is told; it never decides a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from agent.gpu import nvml
from agent.gpu.nvml import Nvml, NvmlError
from agent.gpu.tuning import nvml_offsets
from agent.gpu.tuning.board import AUTO, UNLOCKED, BoardError, Bounds, Setting, Value
from agent.gpu.tuning.device import Device
from agent.settings.profiles import ClockRange

_CLOCKS = {
    Setting.GRAPHICS_CLOCK: nvml.CLOCK_GRAPHICS,
    Setting.GRAPHICS_OFFSET: nvml.CLOCK_GRAPHICS,
    Setting.MEMORY_CLOCK: nvml.CLOCK_MEMORY,
    Setting.MEMORY_OFFSET: nvml.CLOCK_MEMORY,
}
_LOCKS = {Setting.GRAPHICS_CLOCK: "GpuLockedClocks", Setting.MEMORY_CLOCK: "MemoryLockedClocks"}
_MODES = {number: name for name, number in nvml.COMPUTE_MODES.items()}


T = TypeVar("T")


class NvmlBoard:
    """A GPU by its UUID; see `agent.gpu.tuning.board.Board`."""

    def __init__(self, driver: Nvml, uuid: str) -> None:
        """Raises `BoardError` when the driver does not show it."""
        self.uuid = uuid
        try:
            self._device = Device(driver, uuid)
        except NvmlError as error:
            raise BoardError(f"{uuid}: the driver does not show this GPU: {error}") from error

    def power_limit_default_w(self) -> float | None:
        """See `Board`."""
        with self._told("default power limit"):
            return _watts(self._device.ask("nvmlDeviceGetPowerManagementDefaultLimit"))

    def bounds(self, setting: Setting) -> Bounds | None:
        """See `Board`."""
        look = _BOUNDS.get(setting)
        if look is None:
            return None
        with self._told(setting):
            return _present(lambda: look(self._device, setting))

    def show(self, setting: Setting) -> Value | None:
        """See `Board`."""
        with self._told(setting):
            return _present(lambda: _SHOW[setting](self._device, setting))

    def put(self, setting: Setting, value: Value) -> bool:
        """See `Board`."""
        with self._told(setting):
            try:
                _PUT[setting](self._device, setting, value)
            except NvmlError as error:
                if error.code in nvml.LACKING:
                    return False
                raise
        return True

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Errors of the driver as those of a board."""
        try:
            yield
        except NvmlError as error:
            root = "; only root may, so let the agent use `gpu.tuner: helper`"
            advice = root if error.code == nvml.NO_PERMISSION else ""
            raise BoardError(f"{self.uuid}: {what}: {error}{advice}") from error


def _present(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except NvmlError as error:
        if error.code in nvml.LACKING:
            return None
        raise


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _power_bounds(device: Device, _: Setting) -> Bounds:
    low, high = device.call("nvmlDeviceGetPowerManagementLimitConstraints")
    return Bounds(low / 1000, high / 1000)


def _clock_bounds(device: Device, setting: Setting) -> Bounds:
    memory = device.ask("nvmlDeviceGetSupportedMemoryClocks")
    clocks = memory
    if memory and setting is Setting.GRAPHICS_CLOCK:
        clocks = device.ask("nvmlDeviceGetSupportedGraphicsClocks", max(memory))
    if clocks:
        return Bounds(min(clocks), max(clocks))
    return Bounds(0, device.call("nvmlDeviceGetMaxClockInfo", _CLOCKS[setting]))


def _fans(device: Device, _: Setting) -> Value | None:
    """`auto`, or the target of all fans; fans that differ in words, which equal no value."""
    targets = list[Value]()
    for fan in range(device.call("nvmlDeviceGetNumFans")):
        (policy,) = device.numbers(1, "nvmlDeviceGetFanControlPolicy_v2", fan)
        follows = policy == nvml.FAN_AUTOMATIC
        targets.append(AUTO if follows else int(device.call("nvmlDeviceGetTargetFanSpeed", fan)))
    if len(set(targets)) > 1:
        return ", ".join(map(str, targets))
    return targets[0] if targets else None


def _put_fans(device: Device, _: Setting, value: Value) -> None:
    for fan in range(device.call("nvmlDeviceGetNumFans")):
        if value == AUTO:
            device.call("nvmlDeviceSetDefaultFanSpeed_v2", fan)
        else:
            device.call("nvmlDeviceSetFanSpeed_v2", fan, value)


def _lock(device: Device, setting: Setting, value: Value) -> None:
    if isinstance(value, ClockRange):
        device.call(f"nvmlDeviceSet{_LOCKS[setting]}", value.min_mhz, value.max_mhz)
    else:
        assert value == UNLOCKED
        device.call(f"nvmlDeviceReset{_LOCKS[setting]}")


def _put_offset(device: Device, setting: Setting, value: Value) -> None:
    assert isinstance(value, int)
    nvml_offsets.put(device, _CLOCKS[setting], value)


def _put_power(device: Device, _: Setting, value: Value) -> None:
    assert isinstance(value, int | float)
    # Of two calls the older: pynvml throws the return code of the newer away.
    device.call("nvmlDeviceSetPowerManagementLimit", round(value * 1000))


_SHOW: Mapping[Setting, Callable[[Device, Setting], Value | None]] = {
    Setting.PERSISTENCE: lambda device, _: bool(device.call("nvmlDeviceGetPersistenceMode")),
    Setting.COMPUTE_MODE: lambda device, _: _mode(device.call("nvmlDeviceGetComputeMode")),
    Setting.POWER_LIMIT: lambda device, _: _watts(device.call("nvmlDeviceGetPowerManagementLimit")),
    Setting.GRAPHICS_CLOCK: lambda device, s: device.call("nvmlDeviceGetClockInfo", _CLOCKS[s]),
    Setting.MEMORY_CLOCK: lambda device, s: device.call("nvmlDeviceGetClockInfo", _CLOCKS[s]),
    Setting.GRAPHICS_OFFSET: lambda device, s: nvml_offsets.show(device, _CLOCKS[s]),
    Setting.MEMORY_OFFSET: lambda device, s: nvml_offsets.show(device, _CLOCKS[s]),
    Setting.FAN: _fans,
}
_BOUNDS: Mapping[Setting, Callable[[Device, Setting], Bounds]] = {
    Setting.POWER_LIMIT: _power_bounds,
    Setting.GRAPHICS_CLOCK: _clock_bounds,
    Setting.MEMORY_CLOCK: _clock_bounds,
    Setting.GRAPHICS_OFFSET: lambda device, s: nvml_offsets.bounds(device, _CLOCKS[s]),
    Setting.MEMORY_OFFSET: lambda device, s: nvml_offsets.bounds(device, _CLOCKS[s]),
    Setting.FAN: lambda device, _: Bounds(*device.numbers(2, "nvmlDeviceGetMinMaxFanSpeed")),
}
_PUT: Mapping[Setting, Callable[[Device, Setting, Value], None]] = {
    Setting.PERSISTENCE: lambda device, _, value: device.call(
        "nvmlDeviceSetPersistenceMode", int(value is True)
    ),
    Setting.COMPUTE_MODE: lambda device, _, value: device.call(
        "nvmlDeviceSetComputeMode", nvml.COMPUTE_MODES[str(value)]
    ),
    Setting.POWER_LIMIT: _put_power,
    Setting.GRAPHICS_CLOCK: _lock,
    Setting.MEMORY_CLOCK: _lock,
    Setting.GRAPHICS_OFFSET: _put_offset,
    Setting.MEMORY_OFFSET: _put_offset,
    Setting.FAN: _put_fans,
}
"""What is read and written, by setting."""


def _mode(number: int) -> str:
    return _MODES.get(number, f"mode {number}")

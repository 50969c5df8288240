"""The only importer of pynvml: one checked door to the driver library.

Its caller must stay on one thread: pynvml shares structures between calls and the driver
serialises them anyway. A value that the driver does not give must never leave here as a number.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pynvml

from agent.gpu.source import Doing

MEMORY_V2 = pynvml.nvmlMemory_v2
CLOCK_GRAPHICS = pynvml.NVML_CLOCK_GRAPHICS
CLOCK_MEMORY = pynvml.NVML_CLOCK_MEM
FAN_AUTOMATIC = pynvml.NVML_FAN_POLICY_TEMPERATURE_CONTINOUS_SW
COMPUTE_MODES = {
    "default": pynvml.NVML_COMPUTEMODE_DEFAULT,
    "prohibited": pynvml.NVML_COMPUTEMODE_PROHIBITED,
    "exclusive_process": pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS,
}
NO_PERMISSION = pynvml.NVML_ERROR_NO_PERMISSION
XID_CRITICAL = pynvml.nvmlEventTypeXidCriticalError
SUCCESS = pynvml.NVML_SUCCESS
TIMEOUT = pynvml.NVML_ERROR_TIMEOUT

ABSENT = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        26,  # Deprecated; newer than the oldest nvidia-ml-py that we accept.
    }
)
"""This GPU and driver will never give this value to us; asking again is of no use."""

LACKING = ABSENT - {pynvml.NVML_ERROR_NO_PERMISSION}
"""This GPU and driver lack it, for whoever asks."""

GONE = {
    pynvml.NVML_ERROR_GPU_IS_LOST: (
        "the driver has lost this GPU; power-cycle the rig, and look at riser, cables and PSU"
    ),
    pynvml.NVML_ERROR_RESET_REQUIRED: (
        "this GPU must be reset (`nvidia-smi --gpu-reset -i {uuid}`); if it cannot, reboot the rig"
    ),
}
"""This GPU gives nothing until somebody has done what stands here."""

BLIND = frozenset(
    {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)
"""No GPU gives anything."""

_ADVICE = {
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "the driver was upgraded while its old kernel module is still loaded; reboot the rig"
    ),
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
        "libnvidia-ml.so.1 was not found; install the NVIDIA driver, "
        "or set `gpu.source: simulated` for a demo"
    ),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "the NVIDIA kernel module is not loaded; run `modprobe nvidia` and read `dmesg`, "
        "or reboot the rig"
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: (
        "access to /dev/nvidia* is refused; give the service `DeviceAllow=char-nvidia*` and "
        "start it after nvidia-persistenced"
    ),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "the driver is too old; install a newer one",
    pynvml.NVML_ERROR_UNKNOWN: (
        "read `dmesg`; inside a container, restart it: it may have lost its GPU devices"
    ),
}
_ADVICE_ELSE = "read `dmesg`, then reboot the rig"

_VALUE_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of a field value's union, by its value type."""

_ALL_ONES = frozenset(
    {
        pynvml.NVML_VALUE_NOT_AVAILABLE_uint.value,
        pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value,
    }
)
_BLANK_64 = 0x7FFF_FFFF_FFFF_FFF0
"""From here on 64-bit numbers mean "blank", "not found", "not supported" or "no permission"."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far a clock is moved off its own, and how far it can be, MHz."""

    mhz: int
    min_mhz: int
    max_mhz: int


class NvmlError(Exception):
    """A driver call failed."""

    def __init__(self, code: int, call: str, text: str) -> None:
        super().__init__(f"{call}: {text} (NVML error {code})")
        self.code = code

    @property
    def advice(self) -> str:
        """What an operator can do when this keeps every GPU from being seen."""
        return f"{_ADVICE.get(self.code, _ADVICE_ELSE)} [{self}]"


class Nvml:
    """Calls the driver library by pynvml's own names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.doing: Doing | None = None

    def call(self, name: str, *arguments: Any, about: str = "") -> Any:
        """Call one function; `about` names the GPU for whoever looks on. Raises `NvmlError`."""
        function = _OWN.get(name) or getattr(pynvml, name, None)
        if function is None:
            raise NvmlError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, name, "nvidia-ml-py is too old")
        self.doing = Doing(f"{name} of {about}" if about else name, self._clock(), about)
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            raise NvmlError(error.value, name, str(error)) from error
        except pynvml.NVMLLibraryMismatchError as error:
            raise NvmlError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, name, str(error)) from error
        except UnicodeDecodeError as error:
            raise NvmlError(pynvml.NVML_ERROR_CORRUPTED_INFOROM, name, str(error)) from error
        finally:
            self.doing = None

    def fields(
        self, handle: Any, ids: Iterable[int], *, about: str = ""
    ) -> dict[int, tuple[int, float | int | None]]:
        """Several fields at once: return code and value of each. Raises `NvmlError`.

        pynvml never raises for a single field; a value counts only with its own return code.
        """
        entries = self.call("nvmlDeviceGetFieldValues", handle, tuple(ids), about=about)
        return {
            entry.fieldId: (
                entry.nvmlReturn,
                _field_value(entry) if entry.nvmlReturn == SUCCESS else None,
            )
            for entry in entries
        }

    def numbers(self, count: int, name: str, *arguments: Any, about: str = "") -> tuple[int, ...]:
        """Call a function that writes `count` signed numbers, its last arguments.

        They are this call's own: pynvml's are shared between calls. Raises `NvmlError`.
        """
        written = tuple(ctypes.c_int() for _ in range(count))
        self.call(name, *arguments, *map(ctypes.byref, written), about=about)
        return tuple(number.value for number in written)

    def clock_offset(self, handle: Any, clock: int, pstate: int, *, about: str = "") -> ClockOffset:
        """A clock's offset in one P-state. Raises `NvmlError`."""
        offset = _offset(clock, pstate, 0)
        self.call("nvmlDeviceGetClockOffsets", handle, ctypes.byref(offset), about=about)
        return ClockOffset(
            offset.clockOffsetMHz, offset.minClockOffsetMHz, offset.maxClockOffsetMHz
        )

    def set_clock_offset(
        self, handle: Any, clock: int, pstate: int, mhz: int, *, about: str = ""
    ) -> None:
        """Move a clock in one P-state. Raises `NvmlError`."""
        offset = _offset(clock, pstate, mhz)
        self.call("nvmlDeviceSetClockOffsets", handle, ctypes.byref(offset), about=about)


def address(handle: Any) -> int:
    """What tells one GPU handle from another without asking the driver."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def number(value: float | int | None) -> float | int | None:
    """The value, or ``None`` for the numbers by which drivers say that there is none."""
    if value is None or value in _ALL_ONES or value >= _BLANK_64:
        return None
    return value


def _field_value(entry: Any) -> float | int | None:
    if not 0 <= entry.valueType < len(_VALUE_MEMBERS):
        return None
    return number(getattr(entry.value, _VALUE_MEMBERS[entry.valueType]))


def _offset(clock: int, pstate: int, mhz: int) -> Any:
    offset = pynvml.c_nvmlClockOffset_t()
    offset.version = pynvml.nvmlClockOffset_v1
    offset.type, offset.pstate = clock, pstate
    offset.clockOffsetMHz = mhz
    return offset


def _checked(name: str) -> Callable[..., None]:
    """A function of the library itself, where pynvml's throws the return code away."""

    def call(*arguments: Any) -> None:
        function = getattr(ctypes.CDLL(_LIBRARY), name, None)
        absent = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
        code = absent if function is None else function(*arguments)
        if code != SUCCESS:
            raise pynvml.NVMLError(code)

    return call


_LIBRARY = "libnvidia-ml.so.1"
"""Loaded by `nvmlInit` already; this is the same one."""

_OWN = {name: _checked(name) for name in ("nvmlDeviceGetClockOffsets", "nvmlDeviceSetClockOffsets")}

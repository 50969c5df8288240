"""What each XID error needs, as data.

Source: NVIDIA's XID catalogue for Ampere and newer, column "immediate action"
(docs.nvidia.com/deploy/xid-errors). Two numbers are judged otherwise, on purpose: 45 is counted
only, because ending any process on a GPU makes one; 43 restarts, because a miner whose work was
thrown out often hangs on.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class XidClass(StrEnum):
    """What an XID error needs."""

    INFORMATION = "information"
    """Nothing; it is counted."""
    WARNING = "warning"
    """Somebody's eye when it comes again; it is counted."""
    APPLICATION = "application"
    """A restart of the workload."""
    RESET = "reset"
    """A reset of the GPU; until then nothing that it computes can be trusted."""
    LOST = "lost"
    """A power cycle: the GPU is no longer on the bus."""
    HARDWARE = "hardware"
    """Hands: power plug, slot or the board itself."""
    UNKNOWN = "unknown"
    """Not in the table; it is counted."""


ADVICE = MappingProxyType(
    {
        XidClass.RESET: "reset it (`nvidia-smi --gpu-reset -i {uuid}`) or reboot the rig",
        XidClass.LOST: "power-cycle the rig; if it comes again, look at riser, cables and PSU",
        XidClass.HARDWARE: "look at its power plug and slot, then have the board replaced",
    }
)
"""What an operator does, by class; these classes quarantine the group."""

_NUMBERS: dict[XidClass, tuple[int, ...]] = {
    XidClass.INFORMATION: (14, 37, 63, 66, 93, 106, 107, 121, 154, 160),
    XidClass.WARNING: (38, 44, 45, 67, 92, 108, 137, 141, 152, 153, 157, 161, 163, 164, 168),
    XidClass.APPLICATION: (
        *(8, 13, 25, 31, 32, 39, 40, 41, 43, 60, 68, 69, 70, 71, 72, 75, 76, 77, 80),
        *(82, 83, 84, 85, 86, 88, 89, 94, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105),
        *(126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 139, 142),
    ),
    XidClass.RESET: (
        *(46, 48, 62, 64, 74, 95, 109, 110, 119, 120, 136, 140, 143, 144, 145, 146, 147),
        *(148, 149, 150, 151, 155, 156, 158, 167, 169, 171, 172),
    ),
    XidClass.LOST: (79,),
    XidClass.HARDWARE: (54, 165),
}
_CLASSES = MappingProxyType(
    {number: kind for kind, numbers in _NUMBERS.items() for number in numbers}
)

NAMES = MappingProxyType(
    {
        8: "GPU stopped processing",
        13: "graphics engine exception",
        31: "GPU memory page fault",
        43: "GPU stopped processing",
        48: "double-bit ECC error",
        54: "auxiliary power not connected",
        62: "micro-controller halt",
        64: "memory could not be remapped",
        69: "graphics engine class error",
        74: "NVLink error",
        79: "fallen off the bus",
        94: "contained memory error",
        95: "uncontained memory error",
        109: "context switch time-out",
        119: "GSP does not answer",
        120: "GSP error",
        140: "unrecovered ECC error",
        143: "initialization failed",
    }
)
"""What the commoner ones are called."""


def xid_class(number: int) -> XidClass:
    """What this error needs."""
    return _CLASSES.get(number, XidClass.UNKNOWN)


def named(number: int) -> str:
    """The error as people say it."""
    name = NAMES.get(number)
    return f"XID {number} ({name})" if name else f"XID {number}"

"""Names for what drivers say in numbers: throttle reasons and recovery actions.

Data only, so that metrics and readers share one vocabulary without touching a driver.
"""

from __future__ import annotations

from types import MappingProxyType

THROTTLE_REASONS = MappingProxyType(
    {
        0x001: "idle",
        0x002: "application_clocks",
        0x004: "sw_power_cap",
        0x008: "hw_slowdown",
        0x010: "sync_boost",
        0x020: "sw_thermal",
        0x040: "hw_thermal",
        0x080: "hw_power_brake",
        0x100: "display_clocks",
        0x200: "board_limit",
        0x400: "reliability",
    }
)
"""Why clocks are below what was asked for, by bit of NVML's mask."""

RECOVERY_ACTIONS = MappingProxyType(
    {
        0: "none",
        1: "gpu_reset",
        2: "node_reboot",
        3: "drain_p2p",
        4: "drain_and_reset",
        5: "recover_imex_domain",
        6: "bus_reset",
        7: "system_reboot",
    }
)
"""What the driver asks an operator to do, by number."""


def throttle_reasons(mask: int) -> tuple[str, ...]:
    """Names of the bits that are set; a bit without a name keeps its number."""
    bits = (1 << position for position in range(mask.bit_length()))
    return tuple(THROTTLE_REASONS.get(bit, f"bit_{bit:#x}") for bit in bits if mask & bit)

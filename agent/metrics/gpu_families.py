"""Metrics of GPUs. A value that the driver does not give has no series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from agent.core.xids import XidClass, xid_class
from agent.gpu import terms
from agent.metrics.family import Family, Row, Type, gpu, gpu_by, one_of
from agent.metrics.snapshot import AgentSnapshot
from wire.model import GpuReading


def _gpu_info(snapshot: AgentSnapshot) -> Iterator[Row]:
    for reading in snapshot.sample.gpus:
        yield Row((reading.uuid, reading.name or "", reading.pci_bus_id or ""), 1)


def _throttled(reading: GpuReading) -> Iterable[tuple[str, float]]:
    if reading.throttle_reasons is None:
        return ()
    return one_of(terms.THROTTLE_REASONS.values(), reading.throttle_reasons)


def _recovery(reading: GpuReading) -> Iterable[tuple[str, float]]:
    if reading.recovery_action is None:
        return ()
    return one_of(terms.RECOVERY_ACTIONS.values(), [reading.recovery_action])


def _xid_classes(reading: GpuReading) -> Iterable[tuple[str, float]]:
    if reading.xids is None:
        return ()
    counts = Counter({str(kind): 0 for kind in XidClass})
    for number, count in reading.xids:
        counts[xid_class(number)] += count
    return counts.items()


GPUS = (
    Family(
        "rigshift_gpu_info",
        Type.INFO,
        ("uuid", "name", "pci_bus_id"),
        "Identity of a GPU; always 1.",
        _gpu_info,
    ),
    gpu(
        "up",
        Type.GAUGE,
        "1 while this GPU can be read without an error.",
        lambda reading: reading.error is None,
    ),
    gpu(
        "utilization_ratio",
        Type.GAUGE,
        "Share of time in which a kernel ran, 0 to 1.",
        lambda reading: reading.utilization_ratio,
    ),
    gpu(
        "memory_utilization_ratio",
        Type.GAUGE,
        "Share of time in which memory was read or written, 0 to 1.",
        lambda reading: reading.memory_utilization_ratio,
    ),
    gpu(
        "memory_total_bytes",
        Type.GAUGE,
        "Memory installed.",
        lambda reading: reading.memory_total_bytes,
    ),
    gpu(
        "memory_used_bytes", Type.GAUGE, "Memory in use.", lambda reading: reading.memory_used_bytes
    ),
    gpu(
        "temperature_celsius",
        Type.GAUGE,
        "Temperature of the chip.",
        lambda reading: reading.temperature_c,
    ),
    gpu(
        "memory_temperature_celsius",
        Type.GAUGE,
        "Temperature of the memory.",
        lambda reading: reading.memory_temperature_c,
    ),
    gpu(
        "fan_ratio",
        Type.GAUGE,
        "Speed of the fastest fan as a share of its maximum; may pass 1.",
        lambda reading: reading.fan_ratio,
    ),
    gpu("power_watts", Type.GAUGE, "Power drawn by the board.", lambda reading: reading.power_w),
    gpu(
        "power_limit_watts",
        Type.GAUGE,
        "Power limit that the driver enforces.",
        lambda reading: reading.power_limit_w,
    ),
    gpu(
        "energy_joules_total",
        Type.COUNTER,
        "Energy drawn since the driver was loaded.",
        lambda reading: reading.energy_j,
    ),
    gpu_by(
        "clock_hertz",
        Type.GAUGE,
        "clock",
        "Present clock, sm or memory.",
        lambda reading: [("sm", reading.sm_clock_hz), ("memory", reading.memory_clock_hz)],
    ),
    gpu_by(
        "throttle_reason",
        Type.GAUGE,
        "reason",
        "1 while clocks are held down for this reason; idle is no fault.",
        _throttled,
    ),
    gpu(
        "pcie_generation",
        Type.GAUGE,
        "Present PCIe generation; links slow down when idle.",
        lambda reading: reading.pcie_generation,
    ),
    gpu("pcie_lanes", Type.GAUGE, "Present PCIe link width.", lambda reading: reading.pcie_width),
    gpu(
        "pcie_replays_total",
        Type.COUNTER,
        "PCIe packets that had to be sent again; a bad riser shows here.",
        lambda reading: reading.pcie_replays,
    ),
    gpu_by(
        "ecc_errors_total",
        Type.COUNTER,
        "type",
        "Memory errors over the life of the board, corrected or uncorrected.",
        lambda reading: [
            ("corrected", reading.ecc_corrected),
            ("uncorrected", reading.ecc_uncorrected),
        ],
    ),
    gpu_by(
        "remapped_rows",
        Type.GAUGE,
        "type",
        "Memory rows replaced by spare ones, by the kind of error that made it necessary.",
        lambda reading: [
            ("correctable", reading.remapped_rows_correctable),
            ("uncorrectable", reading.remapped_rows_uncorrectable),
        ],
    ),
    gpu(
        "remap_failed",
        Type.GAUGE,
        "1 once a memory row could not be replaced.",
        lambda reading: reading.remap_failed,
    ),
    gpu(
        "xid_errors_total",
        Type.COUNTER,
        "XID errors announced since the agent started.",
        lambda reading: reading.xid_count,
    ),
    gpu(
        "xid_last", Type.GAUGE, "Number of the newest XID error.", lambda reading: reading.xid_last
    ),
    gpu_by(
        "xid_class_total",
        Type.COUNTER,
        "class",
        "XID errors since the agent started, by what they need.",
        _xid_classes,
    ),
    gpu_by(
        "recovery_action",
        Type.GAUGE,
        "action",
        "1 for what the driver asks to be done with this GPU.",
        _recovery,
    ),
    gpu(
        "processes",
        Type.GAUGE,
        "Processes that compute or draw on this GPU.",
        lambda reading: None if reading.processes is None else len(reading.processes),
    ),
)

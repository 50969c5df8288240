"""One bad sample is noise, so many in a row are a fact, and a failed look says nothing."""

from __future__ import annotations

from agent.core import safety
from agent.core.safety import Limits, Watch
from wire.model import GpuReading, Sample

LIMITS = Limits(temperature_max_c=90.0, memory_temperature_max_c=105.0, samples=3)
GROUPS = {"g0": ("GPU-a", "GPU-b"), "g1": ("GPU-c",)}

COOL = GpuReading("GPU-a", temperature_c=60.0, memory_temperature_c=80.0)
HOT = GpuReading("GPU-a", temperature_c=91.0)
BLIND = Sample(0.0, ok=False, reason="the collector is stuck")


def seen(*gpus: GpuReading) -> Sample:
    return Sample(0.0, ok=True, gpus=gpus)


def after(*samples: Sample) -> dict[str, str]:
    """What must stop after the last of these samples."""
    watch, reasons = Watch(), dict[str, str]()
    for sample in samples:
        watch, reasons = safety.look(watch, sample, GROUPS, LIMITS)
    return reasons


def test_a_cool_rig_goes_on() -> None:
    assert after(*[seen(COOL)] * 10) == {}


def test_heat_counts_when_it_lasts() -> None:
    assert after(*[seen(HOT)] * 2) == {}
    assert after(*[seen(HOT)] * 3) == {"g0": "GPU-a: GPU at 91 °C, limit 90 °C"}


def test_one_cool_sample_in_between_begins_anew() -> None:
    assert after(seen(HOT), seen(HOT), seen(COOL), seen(HOT), seen(HOT)) == {}


def test_the_limit_itself_is_allowed() -> None:
    assert after(*[seen(GpuReading("GPU-a", temperature_c=90.0))] * 5) == {}


def test_memory_has_its_own_limit() -> None:
    hot = GpuReading("GPU-c", temperature_c=50.0, memory_temperature_c=106.0)
    assert after(*[seen(hot)] * 3) == {"g1": "GPU-c: memory at 106 °C, limit 105 °C"}


def test_a_gpu_that_cannot_be_read_any_more_is_in_danger() -> None:
    lost = GpuReading("GPU-b", error="the GPU has fallen off the bus")
    assert after(*[seen(COOL, lost)] * 3) == {"g0": "GPU-b: the GPU has fallen off the bus"}


def test_a_value_that_the_driver_does_not_give_is_no_danger() -> None:
    assert after(*[seen(GpuReading("GPU-a"))] * 5) == {}


def test_a_failed_look_neither_counts_nor_begins_anew() -> None:
    assert after(BLIND, BLIND, BLIND, BLIND) == {}
    assert "g0" in after(seen(HOT), BLIND, seen(HOT), BLIND, seen(HOT))


def test_only_the_group_in_danger_is_stopped() -> None:
    cool = GpuReading("GPU-c", temperature_c=50.0)
    assert set(after(*[seen(HOT, cool)] * 3)) == {"g0"}


def test_a_gpu_of_no_group_stops_nothing() -> None:
    assert after(*[seen(GpuReading("GPU-x", temperature_c=120.0))] * 5) == {}

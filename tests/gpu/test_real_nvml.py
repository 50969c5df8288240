"""The collector on a real NVIDIA driver. Run with `pytest -m gpu` on a machine that has one."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent.gpu.nvml import Nvml
from agent.gpu.tuning.board import Setting
from agent.gpu.tuning.nvml_board import NvmlBoard
from agent.ports import Occupancy
from agent.settings import GpuSettings
from agent.telemetry import sample_once
from tests.agent.looking import fresh, looking, sampled
from wire.model import Sample

pytestmark = pytest.mark.gpu


def test_every_gpu_is_named_and_read() -> None:
    sample = asyncio.run(sample_once())
    assert sample.ok, sample.reason
    for gpu in sample.gpus:
        assert gpu.uuid.startswith("GPU-")
        assert gpu.error is None
        assert gpu.name
        assert gpu.pci_bus_id
        assert gpu.memory_total_bytes is not None
        assert gpu.memory_used_bytes is not None
        assert gpu.memory_used_bytes <= gpu.memory_total_bytes
        assert gpu.temperature_c is not None
        assert 0 < gpu.temperature_c < 110
        assert gpu.processes is not None


def test_energy_grows_with_the_power_drawn() -> None:
    async def scenario() -> tuple[Sample, Sample]:
        async with looking(GpuSettings(fast_interval_s=0.2, slow_interval_s=1.0)) as telemetry:
            first = await sampled(telemetry, fresh)
            begun = first.gpus[0].energy_j
            assert begun is not None, "this GPU has no energy counter"
            later = await sampled(telemetry, lambda sample: (sample.gpus[0].energy_j or 0) > begun)
            return first, later

    first, later = asyncio.run(scenario())
    assert first.gpus[0].uuid == later.gpus[0].uuid
    assert later.gpus[0].power_w


def test_every_setting_of_a_profile_is_read_within_its_bounds() -> None:
    """Nothing is set: the machine may be somebody's."""
    driver = Nvml(time.monotonic)
    driver.call("nvmlInit")
    for gpu in asyncio.run(sample_once()).gpus:
        board = NvmlBoard(driver, gpu.uuid)
        shown = {setting: board.show(setting) for setting in Setting}
        limit_w, bounds = shown[Setting.POWER_LIMIT], board.bounds(Setting.POWER_LIMIT)
        if bounds is not None:
            assert isinstance(limit_w, float)
            assert bounds.low <= limit_w <= bounds.high
            assert bounds.low <= (board.power_limit_default_w() or 0) <= bounds.high
        for setting in (Setting.GRAPHICS_CLOCK, Setting.MEMORY_CLOCK):
            clock, bounds = shown[setting], board.bounds(setting)
            assert isinstance(clock, int)
            assert bounds is not None
            assert 0 < clock <= bounds.high


def test_occupancy_answers_for_all_gpus_at_once() -> None:
    async def scenario() -> Occupancy:
        async with looking() as telemetry:
            sample = await sampled(telemetry, fresh)
            return await telemetry.occupancy(tuple(gpu.uuid for gpu in sample.gpus))

    occupancy = asyncio.run(scenario())
    assert occupancy.unseen == ""
    assert occupancy.memory_used_max_bytes > 0

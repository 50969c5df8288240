"""Simulated GPUs take profiles, and their readings follow; and which tuner is chosen."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from agent.gpu import simulated
from agent.gpu.simulated_source import SimulatedSource
from agent.gpu.tuners import tuner_of
from agent.ports import TuneError, Tuner
from agent.settings import GpuSettings, Tuning
from tests.agent.tuning import profiles_file, refusal
from wire.model import GpuReading

GPU = "GPU-simulated"


@pytest.fixture
def hands(tmp_path: Path) -> Tuner:
    return tuner_of(
        GpuSettings(
            source="simulated",
            simulated_dir=tmp_path,
            tuner=Tuning.DIRECT,
            profiles_file=profiles_file(tmp_path),
        )
    )


def read(folder: Path) -> GpuReading:
    return SimulatedSource(folder, (GPU,), lambda: 0.0).look(slow=True)[0]


def test_readings_follow_the_profile_and_neutral_takes_it_back(
    hands: Tuner, tmp_path: Path
) -> None:
    simulated.claim(tmp_path, [GPU], memory_bytes=1, power_w=300.0, workload=str(os.getpid()))
    before = read(tmp_path)
    asyncio.run(hands.apply((GPU,), "kawpow"))
    tuned = read(tmp_path)
    assert (tuned.power_limit_w, tuned.power_w) == (220.0, 220.0)
    assert (tuned.sm_clock_hz, tuned.memory_clock_hz, tuned.fan_ratio) == (1.5e9, 5.001e9, 0.7)
    asyncio.run(hands.derate((GPU,), "kawpow", 2))
    assert read(tmp_path).power_w == 176.0
    asyncio.run(hands.neutral((GPU,)))
    assert read(tmp_path) == before


def test_bounds_are_kept(hands: Tuner) -> None:
    assert refusal(hands, "still", (GPU,)) == (
        f"{GPU}: fan_percent: 10 is out of bounds; this card takes 30 to 100"
    )
    assert "profile 'none' is unknown" in refusal(hands, "none", (GPU,))


def test_a_rig_without_a_tuner_has_neutral_only() -> None:
    hands = tuner_of(GpuSettings())
    asyncio.run(hands.apply((GPU,), "neutral"))
    asyncio.run(hands.derate((GPU,), "neutral", 0))
    with pytest.raises(TuneError, match="set `gpu"):
        asyncio.run(hands.derate((GPU,), "neutral", 1))


def test_a_tuner_of_ones_own_is_no_helper(tmp_path: Path) -> None:
    """Each choice ends somewhere else: the driver that is not here, and the socket that is not."""
    file = profiles_file(tmp_path)
    direct = tuner_of(GpuSettings(tuner=Tuning.DIRECT, profiles_file=file))
    assert "libnvidia-ml.so.1 was not found" in refusal(direct, "eco")
    helper = tuner_of(GpuSettings(tuner=Tuning.HELPER, helper_socket=tmp_path / "absent"))
    assert f"nobody listens at {tmp_path / 'absent'}" in refusal(helper, "eco")

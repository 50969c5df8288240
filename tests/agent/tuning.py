"""Tuners over the fake driver library, and files of profiles, for tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.gpu.tuning.pipe import Options
from agent.gpu.tuning.tuner import ProfileTuner
from agent.gpu.tuning.workers import Workers, spawn_of
from agent.ports import TuneError, Tuner
from tests.fakenvml.library import FakeDriver

ONE, TWO = "GPU-fake-00", "GPU-fake-01"

PROFILES = """\
profiles:
  kawpow:
    power_limit_w: 220
    graphics_clock: {min_mhz: 210, max_mhz: 1500}
    memory_clock: {min_mhz: 405, max_mhz: 5001}
    graphics_offset_mhz: -100
    memory_offset_mhz: 800
    fan_percent: 70
    compute_mode: exclusive_process
  eco: {power_limit_w: 200}
  cold: {power_limit_w: 110}
  hungry: {power_limit_w: 400}
  fast: {graphics_clock: {min_mhz: 210, max_mhz: 3000}}
  low: {graphics_clock: {min_mhz: 210, max_mhz: 1000}}
  wild: {memory_offset_mhz: 1500}
  still: {fan_percent: 10}
  warm: {fan_percent: 40}
  loose: {power_limit_w: 200, persistence: false}
  kept: {power_limit_w: 200, persistence: true}
"""

KAWPOW = {
    "limit": 220_000,
    "compute_mode": 3,
    "sm_lock": 1500,
    "memory_lock": 5001,
    "sm_offset": 100_000 - 100,
    "memory_offset": 100_000 + 800,
    "fan_0": 70,
    "fan_1": 70,
}
"""What the fake card has when all of it is set; its offsets count from 100000."""

NEUTRAL = {
    "limit": 300_000,
    "compute_mode": 0,
    "sm_lock": 0,
    "memory_lock": 0,
    "sm_offset": 100_000,
    "memory_offset": 100_000,
    "fan_0": 0,
    "fan_1": 0,
}


def profiles_file(folder: Path, text: str = PROFILES) -> Path:
    path = folder / "profiles.yaml"
    path.write_text(text)
    path.chmod(0o644)
    return path


def workers(file: Path, work_s: float = 20.0) -> Workers:
    return Workers(spawn_of(Options(str(file), work_s=work_s)))


def tuner(file: Path, work_s: float = 20.0) -> Tuner:
    return ProfileTuner(workers(file, work_s).perform)


def set_on(driver: FakeDriver, gpu: int = 0) -> dict[str, int]:
    """What was set on a fake card, the newest of each."""
    found = driver.script.with_name(f"{driver.script.name}.set")
    lines = [line.split() for line in found.read_text().splitlines()] if found.exists() else []
    return {key: int(number) for _, key, who, number in lines if int(who) == gpu}


def refusal(hands: Tuner, profile: str, gpus: tuple[str, ...] = (ONE,)) -> str:
    """Why a profile is not taken."""
    with pytest.raises(TuneError) as caught:
        asyncio.run(hands.apply(gpus, profile))
    return str(caught.value)

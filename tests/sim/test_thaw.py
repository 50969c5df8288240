"""Thawed values are made faster, and that is all that may be seen of it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from agent.core.model import State
from agent.settings import GroupSettings
from tests.sim import runs
from tests.sim.scenario import simulate
from tests.sim.thaw import _frozen, thawed
from wire.model import GpuReading, Phase

SEEDS = range(16)
"""Some that look ahead and some that park are among them."""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    runs.quiet()


def test_thawed_values_leave_the_same_traces() -> None:
    frozen = [simulate(seed) for seed in SEEDS]
    with thawed():
        assert [simulate(seed) for seed in SEEDS] == frozen


def test_values_are_frozen_again_afterwards() -> None:
    reading = GpuReading("gpu", temperature_c=40.0)
    with thawed():
        object.__setattr__(reading, "temperature_c", 41.0)
        vars(GpuReading)["__setattr__"](reading, "temperature_c", 42.0)
    with pytest.raises(FrozenInstanceError):
        vars(GpuReading)["__setattr__"](reading, "temperature_c", 43.0)
    assert reading.temperature_c == 42.0


def test_defaults_and_keywords_are_as_they_were() -> None:
    made = State(), GpuReading("gpu"), State(phase=Phase.FAILED, ticket=3)
    with thawed():
        assert (State(), GpuReading("gpu"), State(phase=Phase.FAILED, ticket=3)) == made
        assert hash(State()) == hash(made[0])
        with pytest.raises(TypeError):
            GpuReading()  # type: ignore[call-arg]


def test_most_of_the_product_is_thawed() -> None:
    kinds: list[Any] = _frozen()
    assert {State, GpuReading, GroupSettings} <= set(kinds)

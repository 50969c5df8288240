"""One bad sample is noise, so many in a row are a fact, and a failed look says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core import safety
from agent.core.ladder import Ladder
from agent.core.safety import Demand, Derate, Guarded, Limits, Restart, Stop, Watch
from agent.core.symptoms import Temperatures
from wire.model import GpuReading, Kind, Sample

LIMITS = Limits(
    temperatures=Temperatures(max_c=90.0, memory_max_c=105.0, stop_c=95.0, memory_stop_c=110.0),
    cool_c=5.0,
    samples=3,
    slowed_samples=5,
    faults_max=2,
    faults_window_s=600.0,
)
LADDER = Ladder(steps_max=2, wait_s=30.0, restore_s=60.0)
MINING = Guarded(gpus=("GPU-a", "GPU-b"), workload="etc", kind=Kind.MINING, ladder=LADDER)
SERVING = Guarded(gpus=("GPU-c",), workload="llm", kind=Kind.INFERENCE, ladder=LADDER)

COOL = GpuReading("GPU-a", temperature_c=60.0, memory_temperature_c=80.0)
HOT = GpuReading("GPU-a", temperature_c=91.0)
GLOWING = GpuReading("GPU-a", temperature_c=96.0)
BLIND = Sample(0.0, ok=False, reason="the collector is stuck")


class Guard:
    """Safety over two groups that obey it, a sample every two seconds."""

    def __init__(self, **groups: Guarded) -> None:
        self.watch = Watch()
        self.groups = groups or {"g0": MINING, "g1": SERVING}
        self.now_s = 0.0
        self.log: list[tuple[float, Demand]] = []

    def sees(self, *gpus: GpuReading, times: int = 1) -> dict[str, Demand]:
        """What must be done after the last of so many equal samples."""
        demands = dict[str, Demand]()
        for _ in range(times):
            self.now_s += 2.0
            sample = Sample(self.now_s, ok=True, gpus=gpus)
            self.watch, demands = safety.look(self.watch, sample, self.groups, LIMITS)
            for name, demand in demands.items():
                self.log.append((self.now_s, demand))
                if isinstance(demand, Derate):
                    self.groups[name] = replace(self.groups[name], derate=demand.step)
        return demands


# What lasts.


def test_a_cool_rig_goes_on() -> None:
    assert Guard().sees(COOL, times=10) == {}


def test_heat_counts_when_it_lasts() -> None:
    guard = Guard()
    assert guard.sees(GLOWING, times=2) == {}
    assert guard.sees(GLOWING) == {"g0": Stop("GPU-a: GPU at 96 °C, at most 95 °C are borne")}


def test_one_cool_sample_in_between_begins_anew() -> None:
    guard = Guard()
    guard.sees(GLOWING, times=2)
    guard.sees(COOL)
    assert guard.sees(GLOWING, times=2) == {}


def test_the_limit_itself_is_allowed() -> None:
    assert Guard().sees(GpuReading("GPU-a", temperature_c=90.0), times=5) == {}


def test_a_failed_look_neither_counts_nor_begins_anew() -> None:
    guard = Guard()
    guard.sees(GLOWING, times=2)
    guard.watch, demands = safety.look(guard.watch, BLIND, guard.groups, LIMITS)
    assert demands == {}
    assert "g0" in guard.sees(GLOWING)


def test_a_value_that_the_driver_does_not_give_is_no_danger() -> None:
    assert Guard().sees(GpuReading("GPU-a"), times=5) == {}


def test_only_the_group_in_danger_is_touched() -> None:
    cool = GpuReading("GPU-c", temperature_c=50.0)
    assert set(Guard().sees(GLOWING, cool, times=3)) == {"g0"}


def test_a_gpu_of_no_group_matters_to_nobody() -> None:
    assert Guard().sees(GpuReading("GPU-x", temperature_c=120.0), times=5) == {}


# The ladder.


def test_heat_is_answered_step_by_step_and_in_the_end_by_a_stop() -> None:
    guard = Guard()
    guard.sees(HOT, times=40)
    first, second, last = guard.log[:3]
    assert first == (
        6.0,
        Derate(1, "power limit lowered by 1 step: GPU-a: GPU at 91 °C, limit 90 °C"),
    )
    assert isinstance(second[1], Derate)
    assert (second[0] - first[0], second[1].step) == (LADDER.wait_s, 2)
    assert last[0] - second[0] == LADDER.wait_s
    assert last[1] == Stop("GPU-a: GPU at 91 °C, limit 90 °C, even after 2 steps of derating")


def test_memory_has_limits_of_its_own() -> None:
    guard = Guard()
    warm = GpuReading("GPU-c", temperature_c=50.0, memory_temperature_c=106.0)
    demand = guard.sees(warm, times=3)["g1"]
    assert isinstance(demand, Derate)
    assert "GPU-c: memory at 106 °C, limit 105 °C" in demand.reason
    assert isinstance(guard.sees(replace(warm, memory_temperature_c=111.0), times=3)["g1"], Stop)


def test_no_step_on_the_ladder_means_stop() -> None:
    bare = replace(MINING, ladder=replace(LADDER, steps_max=0))
    assert Guard(g0=bare).sees(HOT, times=3) == {"g0": Stop("GPU-a: GPU at 91 °C, limit 90 °C")}


def test_past_the_last_limit_no_step_is_tried() -> None:
    guard = Guard()
    guard.sees(HOT, times=3)
    assert isinstance(guard.sees(GLOWING, times=3)["g0"], Stop)


def test_what_has_cooled_down_gets_its_power_back_step_by_step() -> None:
    guard = Guard()
    guard.sees(HOT, times=20)
    assert guard.groups["g0"].derate == 2
    began_s, guard.log = guard.now_s, []
    guard.sees(COOL, times=100)
    assert [demand for _, demand in guard.log] == [
        Derate(1, "power limit lowered by 1 step: GPU-a: GPU at 91 °C, limit 90 °C"),
        Derate(0, "cool again: full power limit"),
    ]
    assert guard.log[0][0] - began_s >= LADDER.restore_s
    assert guard.log[1][0] - guard.log[0][0] == LADDER.restore_s


def test_just_below_the_limit_nothing_is_given_back() -> None:
    guard = Guard()
    guard.sees(HOT, times=3)
    assert guard.sees(GpuReading("GPU-a", temperature_c=87.0), times=100) == {}
    assert guard.groups["g0"].derate == 1


def test_a_demand_that_was_not_obeyed_is_repeated() -> None:
    guard = Guard()
    guard.sees(HOT, times=3)
    guard.groups["g0"] = replace(guard.groups["g0"], derate=0)
    assert isinstance(guard.sees(HOT)["g0"], Derate)


def test_another_workload_begins_at_the_bottom() -> None:
    guard = Guard()
    guard.sees(HOT, times=3)
    guard.groups["g0"] = replace(MINING, workload="rvn")
    assert guard.sees(COOL) == {}


def test_an_agent_that_starts_again_goes_on_from_the_same_rung() -> None:
    guard = Guard(g0=replace(MINING, derate=1))
    demand = guard.sees(HOT, times=3)["g0"]
    assert isinstance(demand, Derate)
    assert demand.step == 2


def test_a_board_that_brakes_itself_for_long_is_derated() -> None:
    guard = Guard()
    braked = replace(COOL, throttle_reasons=("sw_power_cap", "hw_power_brake"))
    assert guard.sees(braked, times=4) == {}
    demand = guard.sees(braked)["g0"]
    assert isinstance(demand, Derate)
    assert "GPU-a: slows itself down (hw_power_brake)" in demand.reason


def test_an_everyday_throttle_reason_is_none() -> None:
    everyday = replace(COOL, throttle_reasons=("sw_power_cap", "sw_thermal", "idle"))
    assert Guard().sees(everyday, times=50) == {}


# Faults.


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (GpuReading("GPU-b", error="it has fallen off the bus"), "fallen off the bus"),
        (GpuReading("GPU-b", recovery_action="gpu_reset"), "nvidia-smi --gpu-reset -i GPU-b"),
        (GpuReading("GPU-b", recovery_action="node_reboot"), "reboot the rig"),
        (GpuReading("GPU-b", recovery_action="action_9"), "action_9"),
        (GpuReading("GPU-b", remap_failed=True), "have the board replaced"),
    ],
)
def test_a_gpu_that_needs_mending_is_quarantined_even_at_rest(
    broken: GpuReading, word: str
) -> None:
    guard = Guard(g0=replace(MINING, workload=None, kind=None))
    assert guard.sees(COOL, broken, times=2) == {}
    demand = guard.sees(COOL, broken)["g0"]
    assert isinstance(demand, Stop)
    assert demand.at_rest
    assert demand.reason.startswith("GPU-b: ")
    assert word in demand.reason


def test_a_lost_lane_stops_inference_and_not_mining() -> None:
    wide, narrow = (replace(COOL, pcie_width=lanes) for lanes in (16, 1))
    guard = Guard()
    guard.sees(wide, replace(wide, uuid="GPU-c"))
    demands = guard.sees(narrow, replace(narrow, uuid="GPU-c"), times=3)
    assert set(demands) == {"g1"}
    assert "from 16 to 1 lanes" in demands["g1"].reason


def test_a_riser_that_never_had_more_lanes_is_sound() -> None:
    assert Guard().sees(replace(COOL, uuid="GPU-c", pcie_width=1), times=50) == {}


def test_a_lost_lane_ends_no_rental() -> None:
    guard = Guard(g1=replace(SERVING, lent=True))
    for lanes in (16, 1):
        assert guard.sees(replace(COOL, uuid="GPU-c", pcie_width=lanes), times=5) == {}


# XID errors.


def test_what_a_tenants_program_does_is_nobody_elses_fault() -> None:
    guard = Guard(g0=replace(MINING, lent=True))
    for count in range(1, 9):
        assert guard.sees(replace(COOL, xids=((31, count),))) == {}
    guard.groups["g0"] = MINING
    assert isinstance(guard.sees(replace(COOL, xids=((31, 9),)))["g0"], Restart)


def test_a_gpu_that_needs_mending_is_quarantined_though_it_is_lent() -> None:
    demand = Guard(g0=replace(MINING, lent=True)).sees(replace(COOL, xids=((79, 1),)))["g0"]
    assert isinstance(demand, Stop)
    assert demand.at_rest


def test_an_application_fault_restarts_the_workload_once() -> None:
    guard = Guard()
    guard.sees(replace(COOL, xids=()))
    thrown = replace(COOL, xids=((31, 1),))
    assert guard.sees(thrown) == {"g0": Restart("GPU-a: XID 31 (GPU memory page fault)")}
    assert guard.sees(thrown, times=50) == {}


def test_the_same_fault_again_and_again_is_the_gpus() -> None:
    guard = Guard()
    for count in (1, 2):
        assert isinstance(guard.sees(replace(COOL, xids=((31, count),)))["g0"], Restart)
    demand = guard.sees(replace(COOL, xids=((13, 1), (31, 2))))["g0"]
    assert isinstance(demand, Stop)
    assert demand.at_rest
    assert "3 times lately" in demand.reason


def test_faults_of_long_ago_are_forgotten() -> None:
    guard = Guard()
    for count in range(1, 6):
        assert isinstance(guard.sees(replace(COOL, xids=((31, count),)))["g0"], Restart)
        guard.sees(replace(COOL, xids=((31, count),)), times=301)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (48, "nvidia-smi --gpu-reset -i GPU-a"),
        (79, "power-cycle"),
        (95, "uncontained memory error"),
        (119, "GSP does not answer"),
        (54, "power plug"),
    ],
)
def test_a_grave_error_quarantines_at_once_and_counts_once(number: int, word: str) -> None:
    guard = Guard()
    thrown = replace(COOL, xids=((31, 1), (number, 1)))
    demand = guard.sees(thrown)["g0"]
    assert isinstance(demand, Stop)
    assert demand.at_rest
    assert word in demand.reason
    assert guard.sees(thrown) == {}, "whoever has mended it starts clean"


@pytest.mark.parametrize("number", [45, 63, 92, 154, 999])
def test_errors_that_ask_for_nothing_change_nothing(number: int) -> None:
    assert Guard().sees(replace(COOL, xids=((number, 9),)), times=5) == {}

"""What counts as a lesson, what does not, and that no wild figure moves what is known."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import learning
from agent.core.estimate import WINDOW, Estimate
from agent.core.learning import LESSONS_MAX, Lessons, Look, Topic, look, measured, watched
from wire.figures import Figure, Measured
from wire.model import GpuProcess, GpuReading, Kind, Outcome, Phase, Result, Sample, WorkloadReading

GPUS = ("GPU-0", "GPU-1")
MINING = Topic("g0", "etc", "eco")
SERVING = Topic("g0", "llama", "neutral")
STILL = Topic("g0", None, "")
MINER = WorkloadReading("g0", "etc", hashrate_hps=6e7, algorithm="etchash")
SERVER = WorkloadReading("g0", "llama", requests_running=2, tokens_total=1000)


def gpu(uuid: str, **changes: object) -> GpuReading:
    made = GpuReading(uuid, power_w=120.0, pcie_generation=3, pcie_width=8, throttle_reasons=())
    return replace(made, **changes)  # type: ignore[arg-type]


def sample(
    *workloads: WorkloadReading, at_s: float = 1000.0, second: GpuReading | None = None
) -> Sample:
    gpus = (gpu("GPU-0"), second or gpu("GPU-1", pcie_width=1))
    return Sample(at_s=at_s, ok=True, gpus=gpus, workloads=workloads)


def learned(topic: Topic, kind: Kind | None, *samples: Sample, lessons: Lessons) -> Lessons:
    """After these looks, one after the other."""
    before: Look | None = None
    for one in samples:
        now = look(topic, kind, GPUS, one)
        if now is not None:
            lessons = watched(lessons, before, now)
        before = now
    return lessons


def known(topic: Topic, kind: Kind | None, *samples: Sample) -> Measured:
    return measured(learned(topic, kind, *samples, lessons={})[topic])


def outcome(*phases: tuple[Phase, float], result: Result = Result.DONE) -> Outcome:
    return Outcome("o", "g0", 2, result, "etc", "llama", phases)


def test_a_miner_teaches_watts_hashes_and_the_narrowest_link() -> None:
    found = known(MINING, Kind.MINING, sample(MINER), sample(MINER, at_s=1010.0))
    assert found.gpu_busy_w == Figure(240.0, 0.0, 2)
    assert found.hashrate_hps == Figure(6e7, 0.0, 2)
    assert found.algorithm == "etchash"
    assert found.pcie_limit_bytes_per_s == Figure(985e6, 0.0, 2), "one lane of generation 3"
    assert found.accepted_ratio is None, "it said nothing of shares"
    assert found.gpu_idle_w is None
    assert found.tokens_per_s is None


def test_shares_count_once_there_are_enough_of_them() -> None:
    few = replace(MINER, shares_accepted=40, shares_rejected=1)
    assert known(MINING, Kind.MINING, sample(few)).accepted_ratio is None
    many = replace(MINER, shares_accepted=95, shares_rejected=3, shares_stale=2)
    assert known(MINING, Kind.MINING, sample(many)).accepted_ratio == Figure(0.95, 0.0, 1)


def test_a_server_teaches_what_it_draws_busy_and_idle_and_how_busy_it_is() -> None:
    waits = replace(SERVER, requests_running=0)
    found = known(
        SERVING,
        Kind.INFERENCE,
        sample(SERVER),
        sample(waits, at_s=1010.0, second=gpu("GPU-1", power_w=20.0)),
        sample(waits, at_s=1020.0, second=gpu("GPU-1", power_w=20.0)),
        sample(SERVER, at_s=1030.0),
    )
    assert found.gpu_busy_w == Figure(240.0, 0.0, 2)
    assert found.gpu_idle_w == Figure(140.0, 0.0, 2)
    assert found.busy_ratio == Figure(0.5, 0.5, 4)


def test_tokens_count_between_two_busy_looks_of_one_run() -> None:
    def says(tokens: int, at_s: float, running: int = 1) -> Sample:
        return sample(replace(SERVER, tokens_total=tokens, requests_running=running), at_s=at_s)

    found = known(
        SERVING,
        Kind.INFERENCE,
        says(1000, 1000.0),
        says(1500, 1010.0),
        says(1700, 1020.0, running=0),
        says(1800, 1030.0),
        says(7, 1040.0),
    )
    assert found.tokens_per_s == Figure(50.0, 0.0, 1), "neither idle nor over a restart"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(sample(MINER), ok=False),
        sample(MINER, second=gpu("GPU-1", error="lost")),
        sample(MINER, second=gpu("GPU-9")),
        sample(MINER, second=gpu("GPU-1", throttle_reasons=("hw_thermal",))),
        sample(MINER, second=gpu("GPU-1", throttle_reasons=("idle", "hw_power_brake"))),
        sample(replace(MINER, workload="kaspa")),
    ],
)
def test_what_is_stale_broken_throttled_or_another_teaches_nothing(wrong: Sample) -> None:
    assert look(MINING, Kind.MINING, GPUS, wrong) is None


def test_a_power_limit_is_the_workloads_own_way_to_run() -> None:
    capped = sample(MINER, second=gpu("GPU-1", throttle_reasons=("sw_power_cap",)))
    assert look(MINING, Kind.MINING, GPUS, capped) is not None


@pytest.mark.parametrize("told", [(), (replace(MINER, hashrate_hps=0.0),)])
def test_a_miner_that_is_silent_or_hashes_nothing_teaches_nothing(
    told: tuple[WorkloadReading, ...],
) -> None:
    assert not learned(MINING, Kind.MINING, sample(*told), lessons={})


def test_standing_still_teaches_only_while_the_gpus_are_empty() -> None:
    assert known(STILL, None, sample()).gpu_busy_w == Figure(240.0, 0.0, 1)
    held = sample(second=gpu("GPU-1", processes=(GpuProcess(7),)))
    assert look(STILL, None, GPUS, held) is None


def test_watts_count_only_where_every_gpu_tells_them() -> None:
    found = known(MINING, Kind.MINING, sample(MINER, second=gpu("GPU-1", power_w=None)))
    assert found.gpu_busy_w is None
    assert found.hashrate_hps is not None


def test_another_algorithm_begins_anew_and_keeps_the_seconds() -> None:
    lessons = learning.switched({}, "g0", outcome((Phase.STOPPING, 3.0)), {"etc": "eco"})
    lessons = learned(MINING, Kind.MINING, sample(MINER), lessons=lessons)
    other = replace(MINER, algorithm="kawpow", hashrate_hps=1e7)
    found = measured(learned(MINING, Kind.MINING, sample(other), lessons=lessons)[MINING])
    assert (found.algorithm, found.hashrate_hps) == ("kawpow", Figure(1e7, 0.0, 1))
    assert found.phase_s == ((Phase.STOPPING, Figure(3.0, 0.0, 1)),)


def test_leaving_is_learned_of_what_ran_and_arriving_of_what_runs() -> None:
    went = outcome(
        (Phase.PREPARING, 1.0),
        (Phase.DRAINING, 2.0),
        (Phase.STOPPING, 3.0),
        (Phase.VACATING, 4.0),
        (Phase.TUNING, 5.0),
        (Phase.STARTING, 6.0),
        (Phase.PROBING, 7.0),
    )
    lessons = learning.switched({}, "g0", went, {"etc": "eco", "llama": "neutral"})
    seconds = {
        topic: {phase: figure.value for phase, figure in measured(lesson).phase_s}
        for topic, lesson in lessons.items()
    }
    assert seconds == {
        MINING: {Phase.DRAINING: 2.0, Phase.STOPPING: 3.0, Phase.VACATING: 4.0},
        SERVING: {Phase.PREPARING: 1.0, Phase.TUNING: 5.0, Phase.STARTING: 6.0, Phase.PROBING: 7.0},
    }


@pytest.mark.parametrize(
    "unusual",
    [
        outcome((Phase.STOPPING, 3.0), result=Result.ROLLED_BACK),
        outcome((Phase.STOPPING, 3.0), (Phase.VACATING, 1.0), (Phase.STOPPING, 3.0)),
        outcome((Phase.STOPPING, 1e6)),
    ],
)
def test_a_switch_with_detours_or_a_leaping_clock_teaches_nothing(unusual: Outcome) -> None:
    assert not learning.switched({}, "g0", unusual, {"etc": "eco", "llama": "neutral"})


def test_the_longest_untouched_lesson_gives_way() -> None:
    lessons: Lessons = {}
    topics = [Topic("g0", f"w{i}", "") for i in range(LESSONS_MAX + 1)]
    for topic in [*topics[:-1], topics[0], topics[-1]]:
        told = replace(MINER, workload=topic.workload or "")
        lessons = learned(topic, Kind.MINING, sample(told), lessons=lessons)
    assert len(lessons) == LESSONS_MAX
    assert topics[0] in lessons
    assert topics[1] not in lessons


def test_a_third_of_wild_measurements_moves_nothing() -> None:
    rng, estimate = random.Random(7), Estimate()
    for _ in range(WINDOW):
        estimate = estimate.seen(rng.choice([0.0, 1e9]) if rng.random() < 0.3 else 240.0)
    figure = estimate.typical()
    assert figure is not None
    assert (figure.value, figure.spread, figure.samples) == (240.0, 0.0, WINDOW)


def test_what_changed_for_good_is_learned_within_a_window() -> None:
    estimate = Estimate()
    for watts in [300.0] * WINDOW + [200.0] * (WINDOW // 2 + 1):
        estimate = estimate.seen(watts)
    figure = estimate.typical()
    assert figure is not None
    assert figure.value == 200.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_what_is_no_measurement_is_not_counted(wrong: float) -> None:
    assert Estimate().seen(wrong) == Estimate()


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=200))
def test_an_estimate_is_the_median_of_the_recent_and_bounded(values: list[float]) -> None:
    estimate = Estimate()
    for value in values:
        estimate = estimate.seen(value)
    figure = estimate.typical()
    assert figure is not None
    assert len(estimate.recent) <= WINDOW
    assert estimate.sound()
    assert figure.samples == len(values)
    assert figure.value == pytest.approx(median(values[-WINDOW:]), rel=1e-5)

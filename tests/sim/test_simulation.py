"""Seeds that every change must pass, and what a simulation promises about itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim import runs
from tests.sim.__main__ import main
from tests.sim.drawing import draw
from tests.sim.faults import ALL_ODDS, Fault
from tests.sim.mutants import hunt
from tests.sim.mutants.planting import planted
from tests.sim.scenario import simulate
from tests.sim.witness import ViolationError

SEEDS = range(60)
REGRESSIONS = tuple(
    int(line.partition("#")[0])
    for line in Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8").splitlines()
    if line.partition("#")[0].strip()
)
"""Seeds that once found a bug."""

ROOT = Path(__file__).parents[2]
PLAIN = next(mutant for mutant in hunt.MUTANTS if mutant.name == "nothing-journaled")
"""A bug that every seed finds."""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    runs.quiet()


def test_no_promise_is_broken() -> None:
    tally = runs.batch([*SEEDS, *REGRESSIONS])
    assert tally.failures == {}, [runs.replay(seed) for seed in tally.failures]
    assert tally.schedules == len(SEEDS) + len(REGRESSIONS)
    assert min(tally.deaths, tally.mishaps) > tally.schedules


def test_every_end_of_an_assignment_is_met() -> None:
    tally = runs.batch(SEEDS)
    assert set(tally.results) == {"done", "rolled_back", "superseded", "quarantined", "refused"}


def test_every_kind_of_misfortune_is_met() -> None:
    met = {mishap.kind for seed in SEEDS for mishap in draw(seed).mishaps}
    assert met == set(Fault) == set(ALL_ODDS)


def test_the_same_seed_gives_the_same_trace() -> None:
    assert [simulate(seed) for seed in range(5)] == [simulate(seed) for seed in range(5)]
    assert simulate(1).trace != simulate(2).trace


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_no_trace_depends_on_the_order_of_hashes(hash_seed: str) -> None:
    program = (
        "from tests.sim import runs\n"
        "from tests.sim.scenario import simulate\n"
        "runs.quiet()\n"
        "print(*(simulate(seed).trace for seed in range(5)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [simulate(seed).trace for seed in range(5)]


def test_several_processes_find_what_one_finds() -> None:
    seeds = range(2 * runs.BATCH_SEEDS)
    one, both = runs.Tally(), runs.Tally()
    for tally in runs.batches(seeds, jobs=1):
        one.merge(tally)
    for tally in runs.batches(seeds, jobs=2):
        both.merge(tally)
    one.cpu_s = both.cpu_s = 0.0
    assert one == both


def test_a_broken_promise_stops_the_run_and_says_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted(PLAIN):
        assert main(["--seed", "7", "--count", "2"]) == 1
        said = capsys.readouterr().out
        with pytest.raises(ViolationError, match="while the journal says"):
            main(["--seed", "8", "--count", "1"])
    assert "seed 7: ViolationError" in said
    assert "replay: make sim SEED=7 COUNT=1" in said
    assert "replay: make sim SEED=8 COUNT=1" in said
    assert "2 schedules, 2 failed" in said
    assert "replay: make sim SEED=8 COUNT=1" in capsys.readouterr().out


def test_a_clean_run_says_what_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--count", "2"]) == 0
    assert "2 schedules, 0 failed" in capsys.readouterr().out
    assert main(["--seed", "3", "--count", "1"]) == 0
    assert "1 schedules, 0 failed" in capsys.readouterr().out

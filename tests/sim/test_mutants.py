"""Every planted bug is found, alone and beside another; afterwards everything is as it was."""

from __future__ import annotations

import random

import pytest

from agent.core import machine
from agent.reactor import Reactor
from tests.sim import runs
from tests.sim.mutants import exhaustive, hunt
from tests.sim.mutants.hunt import MUTANTS
from tests.sim.mutants.planting import Mutant, Swaps, planted

BUGS_MIN = 60
"""What a release asks for."""

PAIRS = 150
"""Of all pairs, so many; which, is always the same."""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    runs.quiet()


def pairs() -> list[tuple[Mutant, Mutant]]:
    """A sample: one defence must not be all that shows that another is missing."""
    rng = random.Random("pairs")
    return [(one, other) for one, other in (rng.sample(MUTANTS, 2) for _ in range(PAIRS))]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    find = hunt.hunt([mutant], hunt.likely(mutant))
    assert find is not None, f"without {mutant.defence!r} nothing breaks in {hunt.SEEDS}"


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: f"{pair[0].name}+{pair[1].name}")
def test_two_bugs_do_not_hide_each_other(pair: tuple[Mutant, Mutant]) -> None:
    assert hunt.hunt(pair, hunt.likely(*pair)) is not None


def test_the_catalogue_is_large_and_names_each_bug_once() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= BUGS_MIN
    assert all(mutant.defence for mutant in MUTANTS)


def test_few_bugs_are_hidden_from_the_simulation() -> None:
    assert len([mutant for mutant in MUTANTS if mutant.hidden]) <= len(MUTANTS) // 20


def test_the_exhaustive_search_has_nothing_against_the_machine_as_it_is() -> None:
    assert exhaustive.problem() == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_leaves_no_trace(mutant: Mutant) -> None:
    swaps = Swaps()
    before = {phase: dict(rows) for phase, rows in machine.TABLE.items()}
    mutant.plant(swaps)
    assert swaps.planted > 0
    swaps.undo()
    assert before == machine.TABLE


def test_what_was_replaced_is_put_back_whatever_happens() -> None:
    perform = Reactor._perform

    def plant(swaps: Swaps) -> None:
        swaps.attribute(Reactor, "_perform", None)

    def fail() -> None:
        with planted(Mutant("any", "any", plant)):
            assert Reactor._perform is None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert Reactor._perform is perform


def test_a_defence_that_is_gone_cannot_be_switched_off() -> None:
    with pytest.raises(AttributeError):
        Swaps().attribute(Reactor, "_no_such_defence", None)

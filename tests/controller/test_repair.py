"""What is owed and not met, and the cheapest that would have to give way, with hand-made menus."""

import math
import pickle
from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.core.model import Block, GroupKey
from controller.core.optimiser import highs, optimum, repair
from controller.core.optimiser.batches import Company, Staked
from controller.core.optimiser.cohorts import Fleet, Place
from controller.core.optimiser.program import Answer, Effort, Program, SolverError
from controller.core.optimiser.rounds import Solve
from controller.core.optimiser.site_market import Limits
from controller.core.options.case import Case, Stake
from controller.core.options.choice import FORCED_USD_PER_H, Candidate, Choice
from controller.core.options.standing import Standing
from controller.core.requirement import Lever, Requirement, Unmet
from tests.controller.fleet import view

MINE = Choice("etc", 0.03, 100.0)
RENTED = Choice("llama", -0.01, 400.0, counts=(("contract acme", 8.0),))
MENU = (MINE, RENTED)


def crew(first: int, count: int, menu: Sequence[Choice] = MENU, **case: object) -> Company:
    """So many groups with a menu; the first has number `first`."""
    made = Case(view(first), Standing("etc", "etc"), {}, 0, {}, 0.0)
    made = replace(made, **case)  # type: ignore[arg-type]
    candidate = Candidate(GroupKey(f"rig{first:03}", "all"), tuple(menu))
    return Company(tuple(menu), (Staked(Stake(made, {}, candidate), range(first, first + count)),))


def tied(first: int, count: int, block: Block, why: str) -> Company:
    return crew(first, count, MENU[:1], standing=Standing("etc", "etc", block, why))


def owed(gpus: float) -> Requirement:
    return Requirement(name="contract acme", unit="GPUs", least=gpus, weight_usd_per_h=1.0)


def unmet(
    crews: Sequence[Company],
    requirement: Requirement,
    *,
    cap_w: float = math.inf,
    switches: int = 99,
    fleet_switches: int = 99,
    solve: Solve = highs.solve,
) -> list[Unmet]:
    place = Place(tuple(c.cohort for c in crews), Limits(0.0, cap_w, switches))
    fleet = Fleet({"oslo": place}, fleet_switches, (requirement,))
    keys = [GroupKey(f"rig{number:03}", "all") for number in range(20)]
    roll = repair.Roll({"oslo": crews}, keys, lambda _: MENU)
    best = optimum.best(fleet, highs.solve, Effort())
    return list(repair.unmet(fleet, best, roll, solve, Effort()))


def test_what_is_met_is_not_mentioned() -> None:
    assert not unmet([crew(0, 3)], owed(24.0))


def test_a_contract_that_wants_more_than_there_is() -> None:
    (one,) = unmet([crew(0, 3)], owed(40.0))
    assert (one.short, one.lacking, one.repairs) == (16.0, 16.0, ())
    assert one.text == (
        "contract acme: 16 of 40 GPUs are missing; nothing that an operator can change helps"
    )


def test_a_cap_in_the_way_would_have_to_rise_by_so_much() -> None:
    (one,) = unmet([crew(0, 3)], owed(24.0), cap_w=905.0)
    assert [(r.lever, r.site) for r in one.repairs] == [(Lever.POWER_CAP, "oslo")]
    assert one.repairs[0].amount == pytest.approx(0.295)
    assert one.text == (
        "contract acme: 8 of 24 GPUs are missing. "
        "Cheapest repair: raise the cap of site oslo by 0.3 kW"
    )


def test_limits_on_switches_in_the_way() -> None:
    (one,) = unmet([crew(0, 3)], owed(24.0), switches=2, fleet_switches=1)
    assert [(r.lever, r.site, r.amount) for r in one.repairs] == [
        (Lever.SITE_SWITCHES, "oslo", 1.0),
        (Lever.FLEET_SWITCHES, "", 2.0),
    ]
    assert "let 1 more group of site oslo switch at once" in one.text
    assert "let 2 more groups of the fleet switch at once" in one.text


def test_groups_that_somebody_holds_are_named_with_who_does() -> None:
    held = tied(3, 5, Block.HOLD, "ada holds it until Monday: fan noise")
    (one,) = unmet([crew(0, 1), held], owed(40.0))
    (only,) = one.repairs
    assert (only.lever, only.amount, only.groups[0]) == (Lever.HOLD, 4.0, "rig003/all")
    assert one.text == (
        "contract acme: 32 of 40 GPUs are missing. Cheapest repair: release rig003/all, "
        "rig004/all, rig005/all and 1 more (ada holds it until Monday: fan noise)"
    )


@pytest.mark.parametrize(
    ("block", "lever", "said"),
    [
        (Block.OFFLINE, Lever.OFFLINE, "bring back"),
        (Block.QUARANTINED, Lever.QUARANTINED, "mend"),
        (Block.SWITCHING, Lever.SWITCHING, "wait for"),
    ],
)
def test_what_else_would_free_a_group(block: Block, lever: Lever, said: str) -> None:
    (one,) = unmet([tied(0, 2, block, "why")], owed(8.0))
    assert [(r.lever, r.amount) for r in one.repairs] == [(lever, 1.0)]
    assert f"{said} rig000/all (why)" in one.text


def test_the_cheaper_of_two_ways_is_named() -> None:
    held = tied(3, 2, Block.HOLD, "ada holds it")
    silent = tied(5, 2, Block.OFFLINE, "the rig is silent")
    (one,) = unmet([held, silent], owed(8.0))
    assert [r.lever for r in one.repairs] == [Lever.HOLD]


def test_the_end_of_a_dwell_is_a_repair() -> None:
    forced = replace(RENTED, value_usd_per_h=RENTED.value_usd_per_h - FORCED_USD_PER_H)
    (one,) = unmet([crew(0, 2, (MINE, forced), dwell_left_s=1500.0)], owed(8.0))
    assert [(r.lever, r.amount) for r in one.repairs] == [(Lever.DWELL, 1.0)]
    assert "move rig000/all before the dwell is over" in one.text


@pytest.mark.parametrize("block", [Block.COMMITTED, Block.LOCKED])
def test_what_others_have_by_contract_is_not_for_sale(block: Block) -> None:
    (one,) = unmet([tied(0, 2, block, "somebody rents it")], owed(8.0))
    assert (one.repairs, one.lacking) == ((), 8.0)


def test_a_mandate_that_is_exceeded_says_by_how_much() -> None:
    paid = Choice("etc", 0.05, 100.0, counts=(("desk mining", 1.0),))
    most = Requirement(name="desk mining", unit="GPUs", most=4.0, weight_usd_per_h=1.0)
    held = crew(0, 6, (paid,), standing=Standing("etc", "etc", Block.LOCKED, "rented"))
    (one,) = unmet([held], most)
    assert (one.short, one.excess, one.lacking) == (0.0, 2.0, 2.0)
    assert one.text.startswith("desk mining: 2 GPUs more than the 4 allowed")


def test_a_repair_that_cannot_be_found_is_said_too() -> None:
    def broken(program: Program, effort: Effort) -> Answer:
        raise SolverError("it fell over")

    (one,) = unmet([crew(0, 3)], owed(40.0), solve=broken)
    assert one.text.endswith("no repair is known: it fell over")
    assert pickle.loads(pickle.dumps(one)) == one

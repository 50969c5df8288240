"""What is remembered from plan to plan makes no plan another one."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from controller.core.measured import Known, Quantity, Source
from controller.core.model import GroupView, Hold
from controller.core.optimiser.roster import Roster
from controller.core.options.standing import holds_in_force
from controller.core.planning.planner import Situation, plan
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, hold, planned, quotes, status, view
from wire.model import GroupOffer, Phase

WORKLOADS = ("etc", "xmr", "llama", None)


def situation(
    views: Sequence[GroupView], rng: Random, holds: Sequence[Hold], now: float
) -> Situation:
    prices = {name: price * rng.uniform(0.5, 1.5) for name, price in PRICES.items()}
    farm = replace(
        FARM, sites=(replace(FARM.sites[0], power_cap_w=rng.choice([None, 100.0 * len(views)])),)
    )
    return Situation(
        views=views, quotes=quotes(prices), holds=holds, policy=POLICY, farm=farm, now=now
    )


def changed(one: GroupView, rng: Random, now: float) -> GroupView:
    """A view after something happened to its group."""
    assigned = rng.choice(WORKLOADS)
    match rng.randrange(6):
        case 0:
            return replace(one, online=not one.online)
        case 1:
            return replace(one, assigned=assigned, status=status(assigned), assigned_at=now - 60.0)
        case 2:
            return replace(one, switch_s=rng.uniform(0.0, 900.0))
        case 3:
            return replace(one, status=status(one.assigned, rng.choice(list(Phase))))
        case 4:
            watts = Known(rng.uniform(80.0, 200.0), Source.MEASURED, 40)
            return replace(one, figures={("etc", Quantity.BUSY_W): watts})
        case _:
            return replace(one)


@pytest.mark.parametrize("seed", range(6))
def test_a_roster_changes_no_plan(seed: int) -> None:
    rng, roster, now = Random(seed), Roster(), NOW
    views = [view(number, rng.choice(WORKLOADS)) for number in range(12)]
    holds: list[Hold] = []
    for turn in range(25):
        now += 60.0
        for number in rng.sample(range(len(views)), rng.randint(0, 3)):
            views[number] = changed(views[number], rng, now)
        match rng.randrange(8):
            case 0:
                views.append(view(100 + turn, "xmr"))
            case 1:
                views.pop(rng.randrange(len(views)))
            case 2:
                rng.shuffle(views)
            case 3:
                holds = [hold(rng.randrange(12), rng.choice(WORKLOADS), expires_at=now + 150.0)]
            case _:
                pass
        faced = situation(list(views), rng, holds, now)
        assert plan(faced, roster) == plan(faced)


def mustered(views: Sequence[GroupView]) -> list[list[int]]:
    roster = Roster()
    roster.muster(views, {})
    return [list(kin.members) for kin in roster.kins]


def test_groups_that_differ_in_nothing_that_counts_are_kin() -> None:
    assert mustered([view(0), view(1), view(2, "xmr"), view(3)]) == [[0, 1, 3], [2]]
    apart = [
        view(1, site="lagos"),
        view(1, rig_class="h100"),
        view(1, offer=GroupOffer("all", ("GPU-1", "GPU-2"), view(1).offer.workloads)),
        view(1, offer=GroupOffer("all", ("GPU-1",), view(1).offer.workloads[:2])),
        view(1, committed=True),
        view(1, online=False),
        view(1, switch_s=60.0),
        view(1, status=status("etc", Phase.FAILED)),
    ]
    for other in apart:
        assert len(mustered([view(0), other])) == 2


def test_switches_that_take_about_as_long_are_alike() -> None:
    assert len(mustered([view(0, switch_s=61.0), view(1, switch_s=64.0)])) == 1
    assert len(mustered([view(0, switch_s=61.0), view(1, switch_s=66.0)])) == 2


def test_who_has_just_been_put_somewhere_stays_apart_from_who_has_not() -> None:
    roster = Roster()
    roster.muster([view(0), view(1, assigned_at=NOW - 60.0), view(2, assigned_at=NOW - 65.0)], {})
    (kin,) = roster.kins
    assert list(roster.by_dwell(kin, 600.0, NOW)) == [(0.0, [0]), (540.0, [1, 2])]
    assert list(roster.by_dwell(kin, 60.0, NOW)) == [(0.0, [0, 1, 2])]


def test_what_is_gone_is_forgotten() -> None:
    roster = Roster()
    for turn in range(20):
        roster.muster([view(0, switch_s=100.0 * turn)], holds_in_force([], NOW))
    assert len(roster._known) <= 3


def test_decisions_are_a_sequence_that_is_written_when_somebody_looks() -> None:
    made = planned([view(number) for number in range(4)])
    again = planned([view(number) for number in range(4)])
    whole = tuple(made.decisions)
    assert made.decisions[3] == whole[3] == made.decisions[-1]
    assert again.decisions[1:3] == whole[1:3]
    assert again.decisions == whole
    assert (again, hash(again.decisions)) == (made, hash(whole))
    assert repr(again.decisions) == repr(whole)
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(IndexError):
        made.decisions[4]

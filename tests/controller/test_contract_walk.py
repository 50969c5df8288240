"""Days of a fleet under contracts, in a world that misbehaves: no tick in which one is broken.

The real planner, tick by tick; rigs are simulated here: they take two ticks to switch, fail, fall
silent and come back.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from controller.core.model import GroupView, Plan
from controller.core.obligation import Coverage
from tests.controller.fleet import NOW, POLICY, PRICES, status, view
from tests.controller.policy_world import at, contract, planned
from wire.model import Phase

TICK_S = 300.0
TICKS = 2 * 24 * 12
SWITCH_TICKS = 2
START_TICK = 60
RIGS = 12
DUE = contract(
    "later", gpus=3, start=at(START_TICK * TICK_S), prepare_s=900.0, penalty_usd_per_gpu_h=4.0
)
POLICY_OWING = replace(
    POLICY, dwell_s=0.0, contracts=(contract(gpus=4, warm_spare_gpus=1), DUE), switches_max=4
)


class World:
    """Groups that obey, slowly; at most two of them are silent at a time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.views = [view(n, switch_s=SWITCH_TICKS * TICK_S) for n in range(RIGS)]
        self.arrives: dict[int, int] = {}
        self.silent: dict[int, int] = {}
        self.prices: dict[str, float | None] = dict(PRICES)

    def tick(self, number: int) -> Plan:
        self.prices |= {
            "etc": self.rng.choice([0.0, 0.03, 5.0]),
            "rent": self.rng.choice([0.01, 0.2, 3.0]),
            "demand": self.rng.choice([0.0, 2.5, 12.0]),
        }
        self._disturb(number)
        self.views = [self._arrived(n, one, number) for n, one in enumerate(self.views)]
        now = NOW + number * TICK_S
        plan = planned(self.views, POLICY_OWING, self.prices, now=now)
        self.views = [self._obeying(n, one, plan, number) for n, one in enumerate(self.views)]
        return plan

    def _disturb(self, number: int) -> None:
        self.silent = {n: until for n, until in self.silent.items() if until > number}
        if len(self.silent) < 2 and self.rng.random() < 0.02:
            self.silent[self.rng.randrange(RIGS)] = number + self.rng.randrange(1, 30)
        self.views = [replace(one, online=n not in self.silent) for n, one in enumerate(self.views)]

    def _arrived(self, n: int, one: GroupView, number: int) -> GroupView:
        if self.arrives.get(n, TICKS) > number:
            return one
        del self.arrives[n]
        return replace(one, status=status(one.assigned, generation=one.generation))

    def _obeying(self, n: int, one: GroupView, plan: Plan, number: int) -> GroupView:
        decision = plan.decisions[n]
        assert decision.key == one.key
        one = replace(one, committed=decision.committed)
        if not decision.moves or n in self.silent:
            return one
        self.arrives[n] = number + SWITCH_TICKS
        generation = one.generation + 1
        on_its_way = replace(
            status(None, Phase.STARTING, generation=generation), target=decision.chosen
        )
        return replace(one, assigned=decision.chosen, generation=generation, status=on_its_way)


def served(world: World) -> int:
    """Groups that run llama under a commitment, whoever can be heard."""
    return sum(
        one.committed and one.status is not None and one.status.active == "llama"
        for one in world.views
    )


def reliable(world: World) -> int:
    """Groups of rigs that answer which serve under a commitment, or are on their way to."""
    return sum(one.online and one.committed and one.assigned == "llama" for one in world.views)


def lacking(coverages: tuple[Coverage, ...]) -> int:
    return sum(one.lacking_gpus for one in coverages)


@pytest.mark.parametrize("seed", range(4))
def test_days_without_a_broken_contract(seed: int) -> None:
    world, moved = World(seed), 0
    for number in range(TICKS):
        plan = world.tick(number)
        moved += sum(decision.moves for decision in plan.decisions)
        assert lacking(plan.contracts) == 0, number
        owed = 7 if number >= START_TICK else 4
        assert reliable(world) >= owed, number
        assert served(world) >= owed or number <= SWITCH_TICKS, number
    assert moved > 50, "nothing happened, so nothing was shown"

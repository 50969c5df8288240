"""What the fleet owes, as a plan speaks of it."""

from dataclasses import replace

import pytest

from controller.core.model import Block, Decision, Option
from controller.core.optimiser.program import Effort
from controller.core.options import economics
from controller.core.options.case import Case, Stake, stake
from controller.core.options.economics import Demand
from controller.core.options.standing import Standing
from controller.core.planning.explanation import decision
from controller.core.planning.planner import Situation, plan
from controller.core.planning.verdict import SitePicture, verdict
from controller.core.requirement import Requirement
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view

MINING_ONLY = {**PRICES, "demand": 0.0}


def situation(*requirements: Requirement, effort: Effort | None = None) -> Situation:
    return Situation(
        views=[view(number) for number in range(4)],
        quotes=quotes(MINING_ONLY),
        holds=(),
        policy=POLICY,
        farm=FARM,
        now=NOW,
        requirements=requirements,
        effort=effort or Effort(),
    )


OWED = Requirement(name="contract acme", unit="GPUs", least=16.0, weight_usd_per_h=0.5)


def test_what_nobody_can_give_is_in_the_plan_and_in_its_warnings() -> None:
    made = plan(situation(OWED))
    (one,) = made.unmet
    assert (one.name, one.short, one.lacking) == ("contract acme", 16.0, 16.0)
    assert made.warnings == (one.text,)
    assert made.gap_usd_per_h == pytest.approx(0.0, abs=1e-4)


def test_a_plan_without_requirements_owes_nothing_and_is_proven() -> None:
    made = plan(situation())
    assert (made.unmet, made.warnings, made.gap_usd_per_h) == ((), (), 0.0)
    assert made.value_usd_per_h == pytest.approx(made.net_usd_per_h)


def test_a_plan_that_may_not_be_the_best_says_so() -> None:
    capped = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=375.0),))
    hasty = replace(situation(effort=Effort(nodes_max=0, time_max_s=0.0)), farm=capped)
    made = plan(hasty)
    assert made.gap_usd_per_h is None
    assert made.warnings[0] == (
        "a better plan may exist, by an unknown amount: "
        "the solver found no plan within its limit of effort"
    )
    assert made.power_w["oslo"] <= 375.0


def staked(counted: str) -> Stake:
    """A group whose choice of one workload counts towards a contract."""
    one = view()
    prospects = {p.workload: p for p in economics.market(FARM, quotes(MINING_ONLY)).prospects(one)}
    made = stake(Case(one, Standing("etc", "etc"), prospects, 0, {}, 0.0), 1.0, POLICY, {})
    choices = tuple(
        replace(c, counts=(("contract acme", 1.0),)) if c.workload == counted else c
        for c in made.candidate.choices
    )
    return replace(made, candidate=replace(made.candidate, choices=choices))


def decided(counted: str, chosen: str) -> Decision:
    """With the contract binding."""
    picture = SitePicture(
        demand=Demand(0.0),
        serving=0,
        power_cap_w=1e6,
        power_w=100.0,
        capped=False,
        policy=POLICY,
        binding=frozenset({"contract acme"}),
    )
    made = staked(counted)
    choice = next(c for c in made.candidate.choices if c.workload == chosen)
    return decision(verdict(made, choice, 0.0, picture, waiting=False))


def etc(made: Decision) -> Option:
    return next(option for option in made.options if option.workload == "etc")


def test_a_group_that_a_contract_moves_says_which() -> None:
    made = decided("xmr", "xmr")
    assert made.reason == "mine xmr instead of to mine etc: the fleet has to keep to contract acme"
    assert etc(made).blocked is Block.REQUIREMENT
    assert etc(made).why == "the fleet has to keep to contract acme"


def test_a_group_that_a_mandate_keeps_from_more_says_which() -> None:
    assert etc(decided("etc", "xmr")).blocked is Block.REQUIREMENT

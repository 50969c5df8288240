"""Who serves a contract stays until others do: in figures of what runs, not of what is wished."""

from __future__ import annotations

from dataclasses import replace

from controller.core.model import GroupView
from tests.controller.fleet import hold, status, view
from tests.controller.policy_world import bound, contract, owing, planned
from wire.model import Phase

ANYWHERE = contract("anywhere")
PICKY = contract("picky", workload="xmr", rig_classes=("h100",), penalty_usd_per_gpu_h=9.0)


def serves(number: int, **changes: object) -> GroupView:
    return view(number, "llama", committed=True, **changes)


def test_a_group_that_another_contract_needs_stays_until_it_is_relieved() -> None:
    wanted, relief = serves(0, rig_class="h100"), view(1, None)
    plan = planned([wanted, relief], owing(ANYWHERE, PICKY))
    assert [decision.chosen for decision in plan.decisions] == ["llama", "llama"]
    assert bound(plan) == ["rig000", "rig001"]
    assert {c.contract: c.lacking_gpus for c in plan.contracts} == {"anywhere": 0, "picky": 1}


def test_it_still_stays_while_the_other_is_on_its_way() -> None:
    on_its_way = replace(serves(1), status=status(None, phase=Phase.STARTING))
    plan = planned([serves(0, rig_class="h100"), on_its_way], owing(ANYWHERE, PICKY))
    assert [decision.chosen for decision in plan.decisions] == ["llama", "llama"]


def test_it_goes_once_the_other_serves() -> None:
    plan = planned([serves(0, rig_class="h100"), serves(1)], owing(ANYWHERE, PICKY))
    assert [decision.chosen for decision in plan.decisions] == ["xmr", "llama"]
    assert [c.lacking_gpus for c in plan.contracts] == [0, 0]


def test_what_is_held_to_a_workload_does_not_serve_before_it_runs_it() -> None:
    plan = planned([view(0, "etc")], owing(contract()), holds=[hold(0, "llama")])
    assert [(c.bound_gpus, c.serving_gpus) for c in plan.contracts] == [(1, 0)]


def test_who_has_never_reported_cannot_be_relied_on() -> None:
    silent = replace(view(0, None), status=None)
    plan = planned([silent], owing(contract()), holds=[hold(0, "llama")])
    assert [c.lacking_gpus for c in plan.contracts] == [1]
    assert any(warning.startswith("contract acme ") for warning in plan.warnings)

"""Real processes on one machine: a controller, two agents, workloads, and kill -9."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.farm import GROUPS, RIGS, Farm, farm, parsed
from tests.e2e.files import gpu
from tests.parts.programs import running


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One farm for all tests here; each leaves every group running."""
    with farm(tmp_path_factory.mktemp("farm")) as made:
        yield made
        assert made.double_occupancies() == 0


def test_rigs_appear_and_the_plan_is_carried_out(at_work: Farm) -> None:
    at_work.until(at_work.running)
    assert {rig: line.online for rig, line in at_work.rigs().items()} == dict.fromkeys(RIGS, True)
    plan = at_work.plan()
    assert {decision.chosen for decision in plan.decisions} == {"etc"}, "what the tape pays most"
    assert plan.net_usd_per_h == pytest.approx(4 * (0.03 - 0.1 * 0.10))
    assert all(len(pids) == 1 for pids in at_work.pids().values())


def test_an_operator_moves_a_group_and_sees_it_arrive(at_work: Farm) -> None:
    at_work.until(at_work.running)
    others = {uuid: pids for uuid, pids in at_work.pids().items() if uuid != gpu("rig-1", "g0")}
    code, said = at_work.cli("switch", "rig-1/g0", "llama", "--reason", "a look", "--yes")
    assert code == 0, said
    assert at_work.groups()["rig-1/g0"].active == "llama"
    code, said = at_work.cli("status", "--json")
    assert code == 0, said
    status = parsed(said)
    assert (status["rigs"], status["rigs_online"], status["groups"]) == (2, 2, 4)
    assert status["by_workload"] == {"etc": 3, "llama": 1}
    assert [hold["workload"] for hold in status["holds"]] == ["llama"]
    code, said = at_work.cli("release", "rig-1/g0")
    assert code == 0, said
    at_work.until(lambda: at_work.running() and at_work.groups()["rig-1/g0"].active == "etc")
    assert {uuid: at_work.pids()[uuid] for uuid in others} == others, "nobody else was disturbed"


def test_workloads_outlive_their_agent_and_are_adopted_by_the_next(at_work: Farm) -> None:
    at_work.until(at_work.running)
    before, generations = at_work.pids(), _generations(at_work)
    at_work.kill("rig-1")
    at_work.until(lambda: not at_work.rigs()["rig-1"].online)
    assert all(running(pid) for pids in before.values() for pid in pids)
    at_work.start("rig-1")
    at_work.until(at_work.running)
    assert at_work.pids() == before, "the very same processes"
    assert _generations(at_work) == generations


def test_a_controller_that_was_killed_goes_on_and_nothing_restarts(at_work: Farm) -> None:
    at_work.until(at_work.running)
    before, generations = at_work.pids(), _generations(at_work)
    at_work.kill("controller")
    assert all(running(pid) for pids in before.values() for pid in pids)
    at_work.start("controller")
    at_work.until(at_work.running)
    seen = at_work.plan().at
    at_work.until(lambda: at_work.plan().at > seen + 2.0)
    assert at_work.running()
    assert at_work.pids() == before, "the very same processes"
    assert _generations(at_work) == generations, "no order was made anew"


def _generations(at_work: Farm) -> dict[str, int]:
    found = {key: line.generation for key, line in at_work.groups().items()}
    assert set(found) == {f"{rig}/{group}" for rig in RIGS for group in GROUPS}
    return found

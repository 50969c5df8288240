"""A short soak; `make soak` runs a long one. And its witnesses can see what they look for."""

from __future__ import annotations

import asyncio

import pytest

from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, UNITS, RigMachine
from tests.systemd.soak import soak
from tests.systemd.witness import FAILED, STARTING, SUCCEEDED, Witness, judge

pytestmark = pytest.mark.timeout(600)

BOTH = frozenset({"a", "b"})


def test_never_runs_both_whenever_the_agent_is_killed(rig: RigMachine) -> None:
    rig.machine.run("systemctl", "start", AGENT)
    tally = asyncio.run(soak(rig, count=3, seed=1))
    assert tally.overlaps == []
    assert tally.switches == 3
    # A kill may come so early that the first unit was never started.
    assert tally.starts >= tally.switches - 1
    assert tally.killed_in.total() > 0, "a seed that kills nobody tries nothing"


def test_two_units_at_once_are_witnessed(rig: RigMachine) -> None:
    miner, server = UNITS["etc"], UNITS["llama"]
    rig.machine.run("systemctl", "stop", AGENT, miner, server)
    before = rig.collisions()
    witness = Witness(rig.machine, tuple(UNITS.values()))
    rig.machine.run("systemctl", "start", miner)
    rig.machine.run("systemctl", "start", server, check=False)
    awaited("refused server", lambda: rig.machine.show(server, "ActiveState") == "failed")
    assert rig.collisions() == before + 1
    assert witness.testimony().overlaps == ((miner, server),)
    rig.machine.run("systemctl", "stop", miner)
    rig.machine.run("systemctl", "reset-failed", server)


@pytest.mark.parametrize("over", [SUCCEEDED, FAILED])
def test_one_after_the_other_is_no_overlap(over: str) -> None:
    told = [("a", STARTING), ("a", over), ("b", STARTING), ("x", STARTING), ("b", over)]
    entries = [{"UNIT": unit, "MESSAGE_ID": what} for unit, what in told]
    assert judge(entries, BOTH).overlaps == ()
    assert judge(entries, BOTH).starts == 2


def test_a_start_before_the_other_is_over_is_an_overlap() -> None:
    told = [("a", STARTING), ("b", STARTING), ("a", SUCCEEDED), ("a", STARTING)]
    entries = [{"UNIT": unit, "MESSAGE_ID": what} for unit, what in told]
    assert judge(entries, BOTH).overlaps == (("a", "b"), ("b", "a"))

"""What the agent's user may do on a rig, and what it is told when a unit fails or is unfit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, RigMachine

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def agent(rig: RigMachine) -> Iterator[None]:
    rig.machine.run("systemctl", "start", AGENT)
    yield
    assert rig.doubles() == 0, "two workloads were on one GPU"


def as_agent(rig: RigMachine, *command: str) -> bool:
    """Whether the agent's user may do that."""
    script = f"{' '.join(command)} && echo done"
    said = rig.machine.run(
        "setpriv", "--reuid=rigshift", "--regid=rigshift", "--init-groups", "sh", "-c", script,
        check=False,
    )  # fmt: skip
    return said.endswith("done")


@pytest.mark.parametrize(
    ("verb", "unit", "allowed"),
    [
        ("start", "calm.service", True),
        ("restart", "calm.service", True),
        ("stop", "calm.service", True),
        ("stop", "rigshift-workload@llama.service", True),
        ("kill", "calm.service", False),
        ("start", "rigshift-workload@..service", False),
        ("stop", "dbus.service", False),
        ("restart", "rigshift-agent.service", False),
        ("daemon-reload", "", False),
    ],
)
def test_the_agents_user_may_switch_workloads_and_nothing_else(
    rig: RigMachine, verb: str, unit: str, *, allowed: bool
) -> None:
    assert as_agent(rig, "systemctl", "--no-ask-password", verb, unit) == allowed


def test_a_unit_that_fails_says_so_in_its_own_words(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g1", "quits")
            rejection = await here.rejection("g1")
            assert "ended with exit code 3" in rejection
            assert "last log line: demo miner: ends as asked" in rejection

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("drop_in", "reason"),
    [
        ("Restart=always", "write Restart=no"),
        ("TimeoutStopSec=infinity", "TimeoutStopSec=infinity"),
    ],
)
def test_a_unit_that_would_get_in_the_way_is_refused(
    rig: RigMachine, drop_in: str, reason: str
) -> None:
    folder = rig.machine.tree / "etc/systemd/system/calm.service.d"
    folder.mkdir()
    (folder / "unfit.conf").write_text(f"[Service]\n{drop_in}\n")
    rig.machine.run("systemctl", "daemon-reload")

    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g1", "calm")
            assert reason in await here.rejection("g1")

    try:
        asyncio.run(scenario())
    finally:
        (folder / "unfit.conf").unlink()
        folder.rmdir()
        rig.machine.run("systemctl", "daemon-reload")


def test_stopping_the_agent_leaves_workloads_running(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            rig.machine.run("systemctl", "stop", AGENT)
            assert rig.machine.show("my-miner.service", "ActiveState") == "active"
            rig.machine.run("systemctl", "start", AGENT)
            awaited("adoption", lambda: "g0 running etc" in rig.machine.show(AGENT, "StatusText"))

    asyncio.run(scenario())

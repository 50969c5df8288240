"""The root helper under a real systemd: it serves the agent's group, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agent.gpu.tuning.simulated_board import Dials, dials
from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, GPUS_DIR, HELPER, RigMachine

pytestmark = pytest.mark.timeout(600)

SOCKET = "/run/rigshift-gpu-helper.sock"

ASK = f"""
import asyncio
from pathlib import Path
from agent.gpu.tuning import pipe
from agent.gpu.tuning.helper_link import HelperLink
from agent.ports import TuneError
try:
    done = asyncio.run(HelperLink(Path("{SOCKET}")).perform(pipe.Apply(("GPU-g9",), "eco")))
    print(done.shown["GPU-g9"]["power_limit_w"])
except TuneError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def agent(rig: RigMachine) -> Iterator[None]:
    rig.machine.run("systemctl", "start", AGENT)
    yield
    assert rig.doubles() == 0, "two workloads were on one GPU"


def ask(rig: RigMachine, user: str, *groups: str) -> str:
    """What the helper answers this user with these groups."""
    rights = [f"--reuid={user}", f"--regid={groups[0]}", f"--groups={','.join(groups)}"]
    return rig.machine.run("setpriv", *rights, "/opt/rigshift/bin/python", "-c", ASK)


def shown(rig: RigMachine) -> Dials:
    return dials(rig.machine.tree / GPUS_DIR.lstrip("/"), "GPU-g0")


def test_each_workload_runs_under_its_own_profile(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            for _ in range(2):
                await here.assign("g0", "etc")
                await here.running("g0", "etc")
                assert shown(rig) == Dials(power_limit_w=250.0, graphics_max_mhz=1500)
                await here.assign("g0", "llama")
                await here.running("g0", "llama")
                assert shown(rig) == Dials()
            await here.assign("g0", None)
            await here.until(lambda: here.groups["g0"].active is None, "g0 to be empty")

    asyncio.run(scenario())


def test_answers_the_agents_group_and_root_only(rig: RigMachine) -> None:
    assert ask(rig, "rigshift", "rigshift") == "250"
    assert ask(rig, "nobody", "nogroup", "rigshift") == "250"
    assert ask(rig, "root", "root") == "250"
    assert "is for group rigshift" in ask(rig, "rigshift-workload", "rigshift-workload")
    # Whoever gets past the socket's mode is looked at again.
    rig.machine.run("chmod", "0666", SOCKET)
    try:
        assert "hung up" in ask(rig, "rigshift-workload", "rigshift-workload")
    finally:
        rig.machine.run("chmod", "0660", SOCKET)
    log = rig.machine.run("journalctl", "--unit", HELPER, "--output", "cat", "--no-pager")
    assert "is not in the group" in log


def test_a_profile_that_the_agents_user_wrote_does_not_count(rig: RigMachine) -> None:
    # The folder is the agent's own: it can put another file there, but not one of root's.
    forge = "cd /etc/rigshift && mv profiles.yaml kept && cp kept profiles.yaml"
    rights = ["setpriv", "--reuid=rigshift", "--regid=rigshift", "--clear-groups", "sh", "-c"]
    rig.machine.run(*rights, forge)
    try:
        assert "others could have written it" in ask(rig, "rigshift", "rigshift")
    finally:
        rig.machine.run("mv", "/etc/rigshift/kept", "/etc/rigshift/profiles.yaml")
    assert ask(rig, "rigshift", "rigshift") == "250"


def test_has_no_network_and_leaves_when_nobody_asks(rig: RigMachine) -> None:
    unit = f"{HELPER}.service"
    ask(rig, "rigshift", "rigshift")
    pid = rig.machine.show(unit, "MainPID")
    assert pid != "0"
    links = rig.machine.run("nsenter", f"--target={pid}", "--net", "cat", "/proc/net/dev")
    assert {line.split(":")[0].strip() for line in links.splitlines()[2:]} == {"lo"}
    awaited("rest", lambda: rig.machine.show(unit, "ActiveState") == "inactive")
    assert rig.machine.show(unit, "Result") == "success"


def test_without_the_helper_nothing_is_started_and_the_reason_says_so(rig: RigMachine) -> None:
    rig.machine.run("systemctl", "stop", f"{HELPER}.socket", f"{HELPER}.service")

    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.until(lambda: "GPU helper" in here.groups["g0"].reason, "the reason")
            assert rig.active() == set()
            rig.machine.run("systemctl", "start", f"{HELPER}.socket")
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            await here.assign("g0", None)
            await here.until(lambda: here.groups["g0"].active is None, "g0 to be empty")

    asyncio.run(scenario())

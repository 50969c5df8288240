"""The agent put onto a real machine by its own command, examined there, and taken off again."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, ENROLMENT, UNITS, RigMachine

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def agent(rig: RigMachine) -> None:
    rig.machine.run("systemctl", "start", AGENT)


def standing(rig: RigMachine) -> set[str]:
    """What the installation has put onto the disk and is still there."""
    tree = rig.machine.tree
    files = [path for path in (tree / "etc").rglob("*rigshift*") if not path.is_dir()]
    files += [path for path in (tree / "etc/rigshift").rglob("*") if path.is_file()]
    return {str(path.relative_to(tree)) for path in files}


def test_every_step_was_shown(rig: RigMachine) -> None:
    lines = rig.installed.splitlines()
    assert "create  /etc/systemd/system/rigshift-agent.service  root:root 0644" in lines
    assert "create  /etc/rigshift/agent.yaml  root:rigshift 0640" in lines
    assert "create  /etc/rigshift/curve.key  rigshift:rigshift 0600" in lines
    assert "create  /etc/rigshift/profiles.yaml  root:root 0644" in lines
    services = "rigshift-agent.service rigshift-gpu-helper.socket"
    assert f"run     systemctl enable --now {services}" in lines
    assert lines[-1].startswith("done: ")


def test_the_second_time_nothing_is_changed(rig: RigMachine) -> None:
    pid = rig.machine.pid(AGENT)
    said = rig.agent("install", "--enrolment", ENROLMENT).splitlines()
    assert said == ["nothing to change"]
    assert rig.machine.pid(AGENT) == pid


def test_the_doctor_finds_nothing_wrong_with_a_healthy_rig(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            said = await asyncio.to_thread(rig.agent, "doctor", "--json", check=False)
            # The clock is that of the machine which runs the tests; its owner may leave it alone.
            clock = "clock-unsynchronised"
            assert [each for each in json.loads(said)["findings"] if each["name"] != clock] == []

    asyncio.run(scenario())


def test_the_doctor_asks_polkit_for_every_unit(rig: RigMachine) -> None:
    rule = rig.machine.tree / "etc/polkit-1/rules.d/50-rigshift.rules"
    whole = rule.read_text()
    rule.write_text(whole.replace('"calm.service", ', ""))

    def denied() -> list[str]:
        found = json.loads(rig.agent("doctor", "--json", check=False))
        return [each["about"] for each in found["findings"] if each["name"] == "unit-denied"]

    try:
        awaited("finding", lambda: denied() == ["calm.service"])
    finally:
        assert "update  /etc/polkit-1" in rig.agent("install")
    assert rule.read_text() == whole


def test_the_doctor_sees_what_the_agents_unit_may_not_write_and_what_is_no_unit(
    rig: RigMachine,
) -> None:
    config = rig.machine.tree / "etc/rigshift/agent.yaml"
    before = config.read_text()
    edited = before.replace("state_dir: /var/lib/rigshift", "state_dir: /srv/rigshift")
    try:
        config.write_text(edited.replace("unit: calm.service", "unit: absent.service"))
        found = json.loads(rig.agent("doctor", "--json", check=False))["findings"]
    finally:
        config.write_text(before)
    told = {(each["name"], each["about"], each["wrong"]) for each in found}
    assert ("state-denied", "/srv/rigshift", "rigshift-agent.service may not write there") in told
    assert ("unit-unfit", "g1.calm", "unit absent.service is not-found") in told


def test_what_the_farm_edited_is_kept(rig: RigMachine) -> None:
    config = rig.machine.tree / "etc/rigshift/agent.yaml"
    before = config.read_text()
    try:
        config.write_text(before.replace("report_interval_s: 0.5", "report_interval_s: 0.4"))
        said = rig.agent("install", "--enrolment", ENROLMENT)
        assert "keep    /etc/rigshift/agent.yaml: differs from the enrolment's" in said
        assert "in report_interval_s; to take that instead: install -o root -g rigshift" in said
        assert said.endswith("nothing to change")
        assert "0.4" in config.read_text()
    finally:
        config.write_text(before)


def test_it_leaves_nothing_but_configuration_and_state(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.running("g0", "etc")

    asyncio.run(scenario())
    whole = standing(rig)
    foreseen = rig.agent("uninstall", "--dry-run").splitlines()
    assert standing(rig) == whole
    said = rig.agent("uninstall").splitlines()
    assert said[:-1] == foreseen[:-1]
    assert "leave   running: g0.etc; --stop-workloads ends them" in said
    assert rig.machine.show(AGENT, "LoadState") == "not-found"
    assert {path for path in standing(rig) if path.endswith((".rules", ".conf"))} == {
        "etc/systemd/system/rigshift-agent.service.d/test.conf",
        "etc/systemd/system/rigshift-gpu-helper.service.d/test.conf",
        "etc/systemd/system/rigshift-workload@llama.service.d/gpu.conf",
    } & whole
    assert "etc/rigshift/agent.yaml" in standing(rig)
    assert (rig.machine.tree / "var/lib/rigshift/journal/g0.log").exists()
    assert rig.machine.show(UNITS["etc"], "ActiveState") == "active"
    assert rig.agent("uninstall").endswith("nothing to change")

    # Put back, it goes on where it was.
    rig.agent("install")
    assert standing(rig) == whole
    awaited("adoption", lambda: "g0 running etc" in rig.machine.show(AGENT, "StatusText"))


def test_it_ends_workloads_when_told(rig: RigMachine) -> None:
    try:
        assert "stop    workload g0.etc" in rig.agent("uninstall", "--stop-workloads")
        assert rig.machine.show(UNITS["etc"], "ActiveState") == "inactive"
    finally:
        rig.agent("install")

"""The doctor finds each fault by its name, nothing beside it, and nothing on a healthy rig."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from agent.doctor.clock import Reading
from agent.doctor.examination import Examination
from tests.agent.healthy_rig import HealthyRig, healthy_rig
from tests.fakenvml.library import FakeDriver
from wire import statedir, zeromq


@pytest.fixture
def rig(driver: FakeDriver) -> Iterator[HealthyRig]:
    with healthy_rig(driver) as rig:
        yield rig


def examined(rig: HealthyRig, *, controlled: bool = True) -> Examination:
    async def scenario() -> Examination:
        if not controlled:
            return await rig.examined()
        async with rig.controlled():
            return await rig.examined()

    return asyncio.run(scenario())


def names(found: Examination) -> list[str]:
    return [finding.name for finding in found.findings]


def test_nothing_is_wrong_with_a_healthy_rig(rig: HealthyRig) -> None:
    found = examined(rig)
    assert found.usable
    assert found.findings == ()
    # The tests' machine may have no systemd; whatever else there is was looked at.
    assert {unseen.about for unseen in found.unseen} <= {"rigshift-agent.service"}


def node_missing(rig: HealthyRig) -> None:
    (rig.machine.dev / "nvidia-uvm").unlink()


def gpu_node_missing(rig: HealthyRig) -> None:
    (rig.machine.dev / "nvidia1").unlink()


def node_denied(rig: HealthyRig) -> None:
    (rig.machine.dev / "nvidia0").chmod(0)


def state_denied(rig: HealthyRig) -> None:
    rig.state_dir.chmod(0o500)


def state_is_a_file(rig: HealthyRig) -> None:
    rig.state_dir.rmdir()
    rig.state_dir.touch()


def secret_is_none(rig: HealthyRig) -> None:
    with rig.key_file.open("w") as file:
        file.write("no key")


def server_key_of_another(rig: HealthyRig) -> None:
    rig.pinned = zeromq.generate_keys().public
    rig.write()


def not_enrolled(rig: HealthyRig) -> None:
    rig.admitted = False


def user_unknown(rig: HealthyRig) -> None:
    rig.machine = replace(rig.machine, user="rigshift-nobody")
    for name in ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1"):
        (rig.machine.dev / name).chmod(0o666)


def gpu_taken_out(rig: HealthyRig) -> None:
    rig.driver.does("set count * 1")
    (rig.machine.dev / "nvidia1").unlink()


def script(*lines: str) -> Callable[[HealthyRig], None]:
    return lambda rig: rig.driver.does(*lines)


def clock_is(**changes: float | bool) -> Callable[[HealthyRig], None]:
    def plant(rig: HealthyRig) -> None:
        now_s = rig.clock.now_s + changes.get("off_s", 0.0)
        rig.clock = Reading(now_s, synchronised=bool(changes.get("synchronised", True)))

    return plant


FAULTS: dict[str, tuple[str, Callable[[HealthyRig], None]]] = {
    "no driver": ("driver-missing", script("fail nvmlInitWithFlags * 12")),
    "module not loaded": ("driver-not-loaded", script("fail nvmlInitWithFlags * 9")),
    "library newer than module": ("driver-mismatch", script("fail nvmlInitWithFlags * 18")),
    "devices refused": ("driver-denied", script("fail nvmlInitWithFlags * 4")),
    "driver in disorder": ("driver-broken", script("fail nvmlInitWithFlags * 999")),
    "GPU off the bus": ("gpu-broken", script("set lost 1 1")),
    "GPU taken out": ("gpu-missing", gpu_taken_out),
    "persistence off": ("persistence-off", script("set persistence 0 0")),
    "no node of UVM": ("device-node-missing", node_missing),
    "no node of a GPU": ("device-node-missing", gpu_node_missing),
    "node closed": ("device-node-denied", node_denied),
    "secret shown": ("secret-exposed", lambda rig: rig.key_file.chmod(0o644)),
    "secret closed": ("secret-unreadable", lambda rig: rig.key_file.chmod(0o200)),
    "file open": ("config-writable", lambda rig: rig.config.chmod(0o666)),
    "state closed": ("state-denied", state_denied),
    "state a file": ("state-denied", state_is_a_file),
    "no user": ("user-missing", user_unknown),
    "clock behind": ("clock-wrong", clock_is(off_s=-86_400.0)),
    "clock ahead": ("clock-wrong", clock_is(off_s=25 * 365 * 86_400.0)),
    "clock free": ("clock-unsynchronised", clock_is(synchronised=False)),
    "not enrolled": ("controller-refuses", not_enrolled),
    "another controller": ("controller-refuses", server_key_of_another),
    "secret is none": ("link-unusable", secret_is_none),
    "no program": ("program-missing", lambda rig: rig.program.unlink()),
    "API open": ("api-exposed", lambda rig: rig.write({"api_url": "http://0.0.0.0:4067"})),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_by_name_and_nothing_else(rig: HealthyRig, fault: str) -> None:
    name, plant = FAULTS[fault]
    plant(rig)
    found = examined(rig)
    assert names(found) == [name]
    assert all(finding.about and finding.wrong and finding.mend for finding in found.findings)


def test_what_does_not_run_here_needs_no_program(rig: HealthyRig) -> None:
    rig.write({"driver": "hiveos", "command": [], "stats_script": "/hive/miners/trex/h-stats.sh"})
    assert names(examined(rig)) == []


def test_an_engine_that_does_not_answer_is_found(rig: HealthyRig) -> None:
    container = {"image": "example.org/miner:1"}
    rig.write({"command": [], "container": container}, engine={"socket": str(rig.folder / "no")})
    assert names(examined(rig)) == ["engine-silent"]


def test_a_marketplaces_token_is_a_secret_too(rig: HealthyRig) -> None:
    token = rig.folder / "vast.key"
    token.write_text("token")
    token.chmod(0o666)
    market = {"machine": "4242", "token_file": str(token), "listing": {"price_gpu": 0.35}}
    vast = {"kind": "inference", "driver": "vast", "command": [], "api_url": "", "market": market}
    rig.write({**vast, "deadlines": {"stop_s": 60}})
    (finding,) = examined(rig).findings
    assert (finding.name, finding.about) == ("secret-exposed", str(token))


def test_a_missing_secret_is_found_once(rig: HealthyRig) -> None:
    rig.key_file.unlink()
    found = examined(rig)
    assert names(found) == ["secret-missing"]
    assert "curve.key" in found.unseen[-1].why


def test_a_controller_that_is_away_is_unreachable(rig: HealthyRig) -> None:
    found = examined(rig, controlled=False)
    assert names(found) == ["controller-unreachable"]


def test_strangers_on_the_ports_are_found_and_named(rig: HealthyRig) -> None:
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(socket.create_server(("127.0.0.1", rig.api_port)))
        rig.write(metrics={"port": taken.getsockname()[1]})
        found = examined(rig)
    assert names(found) == ["metrics-port-taken", "api-port-taken"]
    assert all("listens" in finding.wrong for finding in found.findings)


def test_the_rigs_own_agent_may_have_its_port(rig: HealthyRig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own, statedir.claimed(rig.state_dir):
        rig.write(metrics={"port": own.getsockname()[1]})
        assert names(examined(rig)) == []


def test_a_file_that_cannot_be_used_leaves_the_machine_to_look_at(rig: HealthyRig) -> None:
    rig.write(groups=[])
    rig.driver.does("fail nvmlInitWithFlags * 18")
    found = examined(rig)
    assert not found.usable
    assert names(found) == ["config-unusable", "driver-mismatch"]
    assert found.findings[0].wrong.startswith("groups: none; list the GPUs")


def test_a_mismatch_is_told_in_the_drivers_words_and_with_what_to_do(rig: HealthyRig) -> None:
    rig.driver.does("fail nvmlInitWithFlags * 18")
    (finding,) = examined(rig).findings
    assert "upgraded while its old kernel module is still loaded" in finding.wrong
    assert "NVML error 18" in finding.wrong
    assert finding.mend == "reboot the rig"

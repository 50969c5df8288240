"""What systemd is told, on a real notification socket, and when the watchdog goes unfed."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.model import Renewed, Rules, State
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.gpu.untuned import Untuned
from agent.journal import MemoryJournal
from agent.performer import Performer
from agent.reactor import Reactor
from agent.settings import GpuSettings, GroupSettings
from agent.systemd import ServiceManager, Supervision, describe
from tests.parts.balancer import Balancer
from wire.model import Phase


@pytest.fixture
def manager_end(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        yield end


def reactor() -> Reactor:
    world = ScriptedWorld()
    performer = Performer(
        GroupSettings(name="g0", gpus=("GPU-a",), workloads=()),
        GpuSettings(),
        {"scripted": ScriptedDriver(world)},
        probe=world,
        tuner=Untuned(),
        router=Balancer(),
        rng=random.Random(0),
    )
    rules = Rules(allowed=frozenset())
    return Reactor("g0", rules, MemoryJournal(), performer, clock=lambda: 0.0, changed=lambda: None)


async def resumed(group: Reactor) -> asyncio.Task[None]:
    task = asyncio.create_task(group.run())
    while not group.settled:  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0)
    return task


def test_tells_a_socket_in_the_file_system(manager_end: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_end.getsockname()})
    manager.tell("READY=1", "STATUS=g0 idle")
    assert manager_end.recv(1000) == b"READY=1\nSTATUS=g0 idle"


def test_tells_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("")
        name = end.getsockname().decode()
        ServiceManager({"NOTIFY_SOCKET": "@" + name[1:]}).tell("READY=1")
        assert end.recv(1000) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/absent/socket", "nonsense", "@nobody-listens"])
def test_nobody_listening_is_harmless(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).tell("READY=1")


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "4000000"}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_knows_whether_it_is_watched(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert ServiceManager(environment).watchdog_s == watchdog_s


def test_is_ready_once_every_group_has_resumed() -> None:
    async def scenario() -> None:
        group = reactor()
        supervision = Supervision(ServiceManager({}), {"g0": group})
        assert "READY=1" not in list(supervision.look())
        task = await resumed(group)
        assert "READY=1" in list(supervision.look())
        assert list(supervision.look()) == ["WATCHDOG=1"]
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())


def test_a_group_that_handles_nothing_starves_the_watchdog() -> None:
    async def scenario() -> None:
        group = reactor()
        supervision = Supervision(ServiceManager({}), {"g0": group})
        task = await resumed(group)
        task.cancel()
        await asyncio.wait([task])
        list(supervision.look())
        group.post(Renewed())
        assert "WATCHDOG=1" not in list(supervision.look())
        task = asyncio.create_task(group.run())
        while group.waiting:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
        assert "WATCHDOG=1" in list(supervision.look())
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(), "idle"),
        (State(phase=Phase.RUNNING, active="etc"), "running etc"),
        (State(phase=Phase.DRAINING, active="llama"), "draining llama → off"),
        (State(phase=Phase.VACATING, target="etc"), "vacating off → etc"),
        (State(phase=Phase.FAILED, reason="two\nlines"), "failed: two lines"),
    ],
)
def test_describes_a_group_in_a_few_words(state: State, words: str) -> None:
    assert describe(state) == words

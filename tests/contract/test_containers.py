"""What every driver promises, over containers of a real Podman, and what only containers have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.pins import Pins
from agent.core.workload import Workload
from agent.drivers import proc
from agent.drivers.containers.engine import Engine
from agent.drivers.containers.launcher import ContainerLauncher
from agent.drivers.registry import drivers
from agent.ports import DriverError, Pinned
from tests.contract.test_drivers import (  # noqa: F401 - pytest finds them here
    test_a_cancelled_stop_can_be_repeated,
    test_can_be_started_again_after_an_exit,
    test_kills_what_ignores_being_asked,
    test_prepares_beside_a_running_workload_of_its_group,
    test_runs_from_start_to_stop,
    test_says_how_it_exited_by_itself,
    test_says_what_it_cannot_prepare,
    test_sees_it_killed_from_outside,
    test_starting_twice_gives_one_process,
    test_stopping_what_does_not_run_is_harmless,
    test_the_next_agent_adopts_what_runs,
)
from tests.parts.containers import ContainerBench, contained, launcher
from tests.parts.podman import Podman
from tests.parts.programs import GRACE_S
from tests.parts.registry import REPOSITORY, Registry

GOOD = "0x" + "60d" * 13 + "0"
EVIL = "0x" + "bad" * 13 + "0"
PINS = Pins(wallets=(GOOD,), pools=("pool.example:3333",))


@pytest.fixture
def bench(podman: Podman, tmp_path: Path) -> Iterator[ContainerBench]:
    bench = ContainerBench(podman, tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def engine(podman: Podman) -> Iterator[Podman]:
    yield podman
    podman.sweep()


async def said(engine: Podman, workload: Workload) -> str:
    """Its whole first page of output, once it has written it."""
    reached = Engine(engine.socket)
    (found,) = await reached.listed(workload.key)
    while not (log := await reached.log(found["Id"])):  # noqa: ASYNC110 - logs announce nothing
        await asyncio.sleep(0.01)
    return log


def test_a_container_gets_its_gpus_by_uuid_and_nothing_else(engine: Podman) -> None:
    async def scenario() -> None:
        runs, workload = launcher(engine), contained("run", API="9")
        await runs.start(replace(workload, gpus=("GPU-b",)))
        pid = (await Engine(engine.socket).inspect("rigshift-g.w"))["State"]["Pid"]
        while not (strings := proc.environment(pid)):  # noqa: ASYNC110 - until it is the program's
            await asyncio.sleep(0.01)
        assert b"SEES_B=yes" in strings
        assert b"SEES_A=yes" not in strings
        assert b"API=9" in strings
        assert not any(text.startswith(b"PYTHONPATH=") for text in strings)

    asyncio.run(scenario())


def test_a_gpu_that_the_engine_does_not_know_fails_the_start_and_leaves_nothing(
    engine: Podman,
) -> None:
    async def scenario() -> None:
        runs, workload = launcher(engine), replace(contained("run"), gpus=("GPU-gone",))
        with pytest.raises(DriverError, match=r"unresolvable CDI devices nvidia\.com/gpu=GPU-gone"):
            await runs.start(workload)
        assert await Engine(engine.socket).listed(workload.key) == []

    asyncio.run(scenario())


def test_a_container_is_not_privileged_and_does_not_restart_by_itself(engine: Podman) -> None:
    async def scenario() -> None:
        runs, workload = launcher(engine), contained("run")
        await runs.start(workload)
        host = (await Engine(engine.socket).inspect("rigshift-g.w"))["HostConfig"]
        assert host["Privileged"] is False
        assert host["RestartPolicy"]["Name"] == "no"
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["CapAdd"] == []

    asyncio.run(scenario())


def test_ports_are_published_on_loopback_only(engine: Podman) -> None:
    async def scenario() -> None:
        workload = contained("run")
        assert workload.container is not None
        wanted = replace(workload.container, network="bridge", ports=("18000:8000",))
        reached = Engine(engine.socket)
        container = await reached.create(replace(workload, container=wanted))
        host = (await reached.inspect(container))["HostConfig"]
        assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18000"}]}

    asyncio.run(scenario())


def test_the_exit_code_is_told(engine: Podman) -> None:
    async def scenario() -> None:
        runs, workload = launcher(engine), contained("exit", "7")
        await runs.start(workload)
        assert await runs.exited(workload) == "ended with exit code 7; last log line: ready"

    asyncio.run(scenario())


def test_a_mount_that_hands_the_engine_over_is_refused(engine: Podman, tmp_path: Path) -> None:
    async def scenario() -> None:
        link = tmp_path / "models"
        link.symlink_to(engine.socket.parent)
        workload = contained("run")
        assert workload.container is not None
        for source in (engine.socket, engine.socket.parent, Path("/"), link):
            wanted = replace(workload.container, mounts=(f"{source}:/models",))
            with pytest.raises(DriverError, match="would hand the container engine over"):
                await launcher(engine).prepare(replace(workload, container=wanted))

    asyncio.run(scenario())


def test_without_an_engine_nobody_says_that_nothing_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        runs = ContainerLauncher(Engine(tmp_path / "absent.sock"))
        with pytest.raises(DriverError, match=r"there is no .*absent\.sock"):
            await runs.alive(contained("run"))

    asyncio.run(scenario())


def test_an_image_is_fetched_by_tag_and_by_digest_before_the_start(engine: Podman) -> None:
    async def scenario(port: int, digest: str) -> None:
        runs, workload = launcher(engine), contained("run")
        assert workload.container is not None
        for reference in (f"{REPOSITORY}@{digest}", f"{REPOSITORY}:1"):
            image = f"127.0.0.1:{port}/{reference}"
            fetched = replace(workload, container=replace(workload.container, image=image))
            await runs.prepare(fetched)
            await runs.start(fetched)
            assert await runs.alive(fetched)
            await runs.stop(fetched, GRACE_S)

    registry = Registry(engine.layer)
    with registry.serving(engine.registry_port):
        asyncio.run(scenario(engine.registry_port, registry.digest))


def test_an_image_that_the_registry_lacks_cannot_be_prepared(engine: Podman) -> None:
    async def scenario(port: int) -> None:
        workload = contained("run")
        assert workload.container is not None
        image = f"127.0.0.1:{port}/{REPOSITORY}@sha256:{'0' * 64}"
        lacking = replace(workload, container=replace(workload.container, image=image))
        with pytest.raises(DriverError, match=r"g\.w: container engine: .*manifest"):
            await launcher(engine).prepare(lacking)

    with Registry(engine.layer).serving(engine.registry_port):
        asyncio.run(scenario(engine.registry_port))


def test_what_the_engine_is_told_to_run_later_counts_too(engine: Podman) -> None:
    """A second process in the container, in no way a child of the first as the host sees it."""

    async def scenario() -> None:
        driver = drivers(launcher(engine))["xmrig"]
        workload = replace(contained("run"), pins=PINS)
        await driver.start(workload)
        await said(engine, workload)
        assert isinstance(driver, Pinned)
        assert await driver.unapproved(workload) == ()
        engine.run_inside("rigshift-g.w", "/program", "run", "--user", EVIL)
        found = await driver.unapproved(workload)
        assert {(each.kind, each.what) for each in found} == {("wallet", "0xbadb…bad0")}
        assert "(program)" in found[0].where
        await driver.stop(workload, GRACE_S)
        assert not await driver.alive(workload)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("injected", "where"),
    [
        (contained("run", "-o", "pool.evil.example:3333"), "`container`"),
        (contained("run", WALLET=EVIL), "`container`"),
        (contained("run", "--user", EVIL), "`container`"),
    ],
)
def test_an_injected_wallet_or_pool_is_refused_and_found_in_what_runs(
    engine: Podman, injected: Workload, where: str
) -> None:
    async def scenario() -> None:
        driver = drivers(launcher(engine))["xmrig"]
        assert isinstance(driver, Pinned)
        flags = ("--http-host", "127.0.0.1", "--http-port", "9")
        assert injected.container is not None
        arguments = (*injected.container.arguments, *flags)
        workload = replace(
            injected, pins=PINS, container=replace(injected.container, arguments=arguments)
        )
        with pytest.raises(DriverError, match=f"unapproved .* {where}"):
            await driver.prepare(workload)
        await driver.start(workload)
        await said(engine, workload)
        places = " ".join(each.where for each in await driver.unapproved(workload))
        assert "container rigshift-g.w" in places
        assert "of process" in places

    asyncio.run(scenario())


def test_a_wallet_baked_into_the_image_is_refused(engine: Podman) -> None:
    async def scenario() -> None:
        image = engine.with_environment("localhost/rigshift-baked:1", MINER_WALLET=EVIL)
        driver, workload = drivers(launcher(engine))["xmrig"], contained("run")
        assert workload.container is not None
        wanted = replace(workload.container, image=image)
        with pytest.raises(DriverError, match="unapproved wallet 0xbadb…bad0 in image"):
            await driver.prepare(replace(workload, container=wanted, pins=PINS))

    asyncio.run(scenario())


def test_a_container_removed_by_somebody_has_ended(engine: Podman) -> None:
    async def scenario() -> None:
        runs, workload = launcher(engine), contained("run")
        await runs.start(workload)
        watch = asyncio.create_task(runs.exited(workload))
        await asyncio.to_thread(engine.sweep)
        assert "ended" in await watch

    asyncio.run(scenario())

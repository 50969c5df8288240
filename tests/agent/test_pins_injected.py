"""Ways to make a miner pay somebody else, each tried on a real process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.pins import Finding, Pins
from agent.core.workload import Workload
from agent.drivers.http import Endpoint
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from agent.drivers.process import ProcessLauncher
from agent.ports import DriverError
from tests.agent.groups import RigBench, until
from tests.parts import hijacked, programs
from tests.parts.programs import launching
from wire.model import Kind, Phase

GOOD = "0x" + "60d" * 13 + "0"
EVIL = "0x" + "bad" * 13 + "0"
MASKED = "0xbadb…bad0"
PINS = Pins(wallets=(GOOD, "farm-account"), pools=(hijacked.POOL,))
APPROVED = ("-o", f"stratum+tcp://{hijacked.POOL}", "--user", f"{GOOD}.rig")

XMRIG = next(row for row in MINERS if row.driver == "xmrig")


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ProcessLauncher]:
    with launching(tmp_path / "state") as launcher:
        yield launcher


def miner(*arguments: str, **environment: str) -> Workload:
    """The stand-in for XMRig."""
    port = programs.free_port()
    return Workload(
        name="w",
        kind=Kind.MINING,
        driver="xmrig",
        group="g0",
        gpus=("GPU-0",),
        command=(
            *programs.python(
                "import runpy; runpy.run_module('tests.parts.hijacked', {}, '__main__')"
            ),
            *("--http-port", str(port), *arguments),
        ),
        environment={"PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        api_url=f"http://127.0.0.1:{port}",
        pins=PINS,
    )


def script(code: str) -> Workload:
    """A launcher script of the kind that miners are shipped with."""
    return replace(programs.shell(code), group="g0", pins=PINS, api_url="http://127.0.0.1:9")


def driver_of(launcher: ProcessLauncher) -> MinerDriver:
    return MinerDriver(launcher, ApiSource(XMRIG))


async def found_in(driver: MinerDriver, workload: Workload) -> tuple[Finding, ...]:
    """Look until something is found."""
    while not (found := await driver.unapproved(workload)):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(programs.LOOK_S)
    return found


async def answering(driver: MinerDriver, workload: Workload) -> None:
    while await driver.read(workload) is None:  # noqa: ASYNC110 - APIs announce nothing
        await asyncio.sleep(programs.LOOK_S)


ARGUMENTS = {
    "another wallet": (("--user", EVIL), f"wallet {MASKED}"),
    "an account without any shape": (("--user", "somebody"), "wallet so…"),
    "the approved one as a password": (("-O", "somebody:farm-account"), "wallet somebo…ount"),
    "the approved one as a beginning": (("--user", "farm-accounting"), "wallet fa…"),
    "glued to its letter": ((f"-u{EVIL}",), f"wallet {MASKED}"),
    "abbreviated": ((f"--use={EVIL}",), f"wallet {MASKED}"),
    "an option that nobody knows": ((f"--coinbase={EVIL}",), f"wallet {MASKED}"),
    "another pool": (("-o", "pool.evil.example:3333"), "pool pool.evil.example:3333"),
    "another port": (("--url", "pool.example:9999"), "pool pool.example:9999"),
    "no port": (("--url", "pool.example"), "pool pool.example"),
    "an address instead of a name": (("-o", "192.0.2.9:3333"), "pool 192.0.2.9:3333"),
    "the approved pool as a user": (
        ("-o", "stratum+tcp://pool.example:3333@evil.example:3333"),
        "pool evil.example:3333",
    ),
    "the approved pool behind a fragment": (
        ("-o", "stratum+tcp://evil.example:3333#@pool.example:3333"),
        "pool evil.example:3333",
    ),
    "a backslash": (
        ("-o", "stratum+tcp://evil.example\\@pool.example:3333"),
        "pool evil.example",
    ),
    "the approved pool as a domain": (
        ("-o", "POOL.example.evil.example.:3333"),
        "pool pool.example.evil.example:3333",
    ),
    "a failover pool": (("-o", f"{hijacked.POOL},evil.example:1"), "pool evil.example:1"),
    "a pool in no option at all": (("stratum+ssl://evil.example:1",), "pool evil.example:1"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_injected_argument_is_refused_and_found(launcher: ProcessLauncher, name: str) -> None:
    """Refused before the start; found in the process when it has started all the same."""

    async def scenario() -> None:
        arguments, what = ARGUMENTS[name]
        driver, workload = driver_of(launcher), miner(*APPROVED, *arguments)
        with pytest.raises(DriverError) as refused:
            await driver.prepare(workload)
        assert f"unapproved {what} in the arguments of `command`" in str(refused.value)
        await driver.start(workload)
        innocent = replace(workload, command=("/bin/true",))
        found = map(str, await found_in(driver, innocent))
        assert any(f"unapproved {what} in the arguments of process" in each for each in found)
        assert EVIL not in str(refused.value)

    asyncio.run(scenario())


def test_what_is_approved_is_let_alone(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        driver = driver_of(launcher)
        workload = miner(
            *APPROVED, "-o", "POOL.Example.:3333", "-u", GOOD.upper().replace("X", "x")
        )
        await driver.prepare(workload)
        await driver.start(workload)
        await answering(driver, workload)
        assert await driver.unapproved(workload) == ()

    asyncio.run(scenario())


def test_the_environment(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        driver, workload = driver_of(launcher), miner(*APPROVED, MINER_WALLET="somebody")
        with pytest.raises(DriverError, match="unapproved wallet so… in the environment"):
            await driver.prepare(workload)
        await driver.start(workload)
        found = await found_in(driver, replace(workload, environment={}))
        assert "in the environment of process" in str(found[0])

    asyncio.run(scenario())


def test_a_wrapper_that_hides_what_its_child_is_given(launcher: ProcessLauncher) -> None:
    """The text of the script holds no wallet: it is put together when it runs."""

    async def scenario() -> None:
        code = f"A=0x; /bin/sh -c 'sleep 1000; :' miner --user ${{A}}{EVIL[2:]} & wait"
        driver, workload = driver_of(launcher), script(code)
        await driver.start(workload)
        (found,) = await found_in(driver, workload)
        assert str(found).startswith(f"unapproved wallet {MASKED} in the arguments of process")

    asyncio.run(scenario())


def test_the_environment_of_a_child(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        code = f"A=0x; WALLET=${{A}}{EVIL[2:]} sleep 1000 & wait"
        driver, workload = driver_of(launcher), script(code)
        await driver.start(workload)
        found = await found_in(driver, workload)
        assert any("the environment of process" in each.where for each in found)

    asyncio.run(scenario())


def test_a_configuration_file_that_changes_while_it_runs(
    launcher: ProcessLauncher, tmp_path: Path
) -> None:
    async def scenario() -> None:
        path = tmp_path / "pools.json"

        def write(url: str, user: str) -> None:
            path.write_text(json.dumps({"pools": [{"url": url, "user": user}]}))

        write(hijacked.POOL, "farm-account.rig")
        driver, workload = driver_of(launcher), miner(f"--config={path}")
        await driver.prepare(workload)
        await driver.start(workload)
        await answering(driver, workload)
        assert await driver.unapproved(workload) == ()
        write("evil.example:1", "somebody")
        found = {str(each).partition(" in ")[0] for each in await driver.unapproved(workload)}
        assert found == {"unapproved pool evil.example:1", "unapproved wallet so…"}

    asyncio.run(scenario())


def test_a_script_with_options_in_it(launcher: ProcessLauncher, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "start.sh"
        path.write_text("mkdir -p /tmp/x\n./xmrig --url evil.example:1 --user=$WALLET\n")
        workload = replace(script(""), command=("/bin/sh", str(path)))
        found = await driver_of(launcher).unapproved(workload)
        assert [each.what for each in found] == ["evil.example:1"]

    asyncio.run(scenario())


def test_a_file_that_the_miner_finds_by_itself(launcher: ProcessLauncher, tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "config.json").write_text('{"pools": [{"url": "evil.example:1"}]}')
        driver, workload = driver_of(launcher), script(f"cd {tmp_path} && exec sleep 1000")
        await driver.start(workload)
        (found,) = await found_in(driver, workload)
        assert found.what == "evil.example:1"
        assert "config.json, which process" in found.where

    asyncio.run(scenario())


def test_another_pool_through_the_miners_own_api(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        driver, workload = driver_of(launcher), miner(*APPROVED)
        await driver.start(workload)
        await answering(driver, workload)
        assert await driver.unapproved(workload) == ()
        await turned(workload, "stratum+tcp://evil.example:3333")
        (found,) = await driver.unapproved(workload)
        assert str(found) == "unapproved pool evil.example:3333 in the miner's API"

    asyncio.run(scenario())


async def turned(workload: Workload, pool: str) -> None:
    """Do what somebody does who has found the port of the miner's API."""
    port = Endpoint.parse(workload.api_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"pools": [{"url": pool}]}).encode()
    head = f"PUT /1/config HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await reader.read()
    writer.close()


def test_a_rig_stops_what_pays_somebody_else_though_it_ignores_term(
    launcher: ProcessLauncher,
) -> None:
    """The whole rig on the real clock; the deadline is the promise."""

    async def scenario() -> None:
        deaf = script(
            f"trap '' TERM; A=0x; /bin/sh -c 'sleep 1000; :' x --user ${{A}}{EVIL[2:]} & wait"
        )
        bench = RigBench(replace(deaf, name="etc", driver="scripted"), driver=driver_of(launcher))
        async with bench.run():
            await bench.order("etc", 1)
            async with asyncio.timeout(20.0):
                await until(lambda: bench.group.active == "etc")
            async with asyncio.timeout(10.0):
                await until(lambda: bench.group.phase is Phase.FAILED)
            workload = bench.settings.workload("g0", "etc")
            assert not await launcher.alive(workload)
            assert f"etc: unapproved wallet {MASKED} in the arguments" in bench.group.reason
            assert bench.rig.pins.findings == {("g0", "wallet"): 1}

    asyncio.run(scenario())


def test_nothing_is_collected_where_nothing_is_pinned(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        driver, workload = driver_of(launcher), replace(miner("--user", EVIL), pins=Pins())
        await driver.prepare(workload)
        assert await driver.unapproved(workload) == ()

    asyncio.run(scenario())

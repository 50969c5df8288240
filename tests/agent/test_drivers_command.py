"""The driver over an owner's own commands: what their exit codes and figures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.pins import Pins
from agent.core.workload import Commands, Readiness, Workload
from agent.drivers.commanded import CommandedDriver
from agent.ports import DriverError
from tests.parts import programs
from wire.model import Kind, WorkloadReading

START = """
exec setsid sleep 1000 < /dev/null > /dev/null 2>&1 & echo $! > {dir}/pid
"""
STATUS = "grep -qs '^State:.[^Z]' /proc/$(cat {dir}/pid)/status || exit 3"
STOP = "kill -9 $(cat {dir}/pid)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Whatever runs in the end is ended, by its mark."""
    with programs.swept(tmp_path):
        yield tmp_path
        pid = tmp_path / "pid"
        if pid.exists():
            asyncio.run(driver().stop(workload(tmp_path), 5.0))


def driver() -> CommandedDriver:
    return CommandedDriver(look_s=programs.LOOK_S, stopped_wait_s=0.2)


def workload(folder: Path, *, stats: str = "", **changes: str) -> Workload:
    def shell(code: str) -> tuple[str, ...]:
        text = code.replace("{dir}", str(folder))
        return ("/bin/sh", "-c", text)

    return Workload(
        name="w",
        kind=Kind.MINING,
        driver="command",
        group="g",
        gpus=("GPU-a", "GPU-b"),
        readiness=Readiness(hashrate_min_hps=5.0, shares_min=2),
        commands=Commands(
            start=shell(changes.get("start", START)),
            stop=shell(changes.get("stop", STOP)),
            status=shell(changes.get("status", STATUS)),
            stats=shell(stats) if stats else (),
        ),
    )


def test_from_start_to_stop_and_adopted_by_the_next_agent(folder: Path) -> None:
    async def scenario() -> None:
        runs = workload(folder)
        await driver().prepare(runs)
        assert not await driver().alive(runs)
        await driver().start(runs)
        await driver().start(runs)
        assert await driver().alive(runs)
        watch = asyncio.create_task(driver().exited(runs))
        await driver().stop(runs, 5.0)
        assert await watch == "ended, by its `status`"
        assert not await driver().alive(runs)
        await driver().stop(runs, 5.0)

    asyncio.run(scenario())


def test_a_status_that_does_not_tell_is_no_answer(folder: Path) -> None:
    async def scenario() -> None:
        odd = workload(folder, status="echo no bus >&2; exit 4")
        for ask in (driver().alive(odd), driver().start(odd), driver().stop(odd, 1.0)):
            with pytest.raises(DriverError, match=r"`status` ended with 4, neither 0 .* no bus"):
                await ask

    asyncio.run(scenario())


def test_what_stop_does_not_stop_is_told(folder: Path) -> None:
    async def scenario() -> None:
        lazy = workload(folder, stop="echo cannot; exit 1")
        await driver().start(lazy)
        with pytest.raises(DriverError, match=r"still runs after `stop` \(it ended with 1: cannot"):
            await driver().stop(lazy, 5.0)
        hanging = workload(folder, stop="sleep 1000")
        with pytest.raises(DriverError, match="not done in time"):
            await driver().stop(hanging, 0.1)

    asyncio.run(scenario())


def test_a_failed_start_is_told(folder: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(DriverError, match="`start` ended with 9"):
            await driver().start(workload(folder, start="exit 9"))

    asyncio.run(scenario())


def test_commands_that_are_not_there_cannot_be_prepared(folder: Path) -> None:
    async def scenario() -> None:
        runs = workload(folder)
        absent = replace(runs, commands=replace(runs.commands, stop=("/opt/absent/stop",)))
        with pytest.raises(DriverError, match="/opt/absent/stop does not exist"):
            await driver().prepare(absent)
        silent = replace(runs, commands=replace(runs.commands, status=()))
        with pytest.raises(DriverError, match=r"`commands\.status` is missing"):
            await driver().prepare(silent)

    asyncio.run(scenario())


def test_the_commands_are_given_the_gpus(folder: Path) -> None:
    async def scenario() -> None:
        runs = workload(folder, start="echo $CUDA_VISIBLE_DEVICES > {dir}/gpus", status="exit 3")
        await driver().start(runs)
        assert (folder / "gpus").read_text() == "GPU-a,GPU-b\n"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("printed", "ready", "reason"),
    [
        ('{"hashrate_hps": 9, "shares_accepted": 2}', True, "2 of 2 shares"),
        ('{"hashrate_hps": 9, "shares_accepted": 1}', False, "1 of 2 shares"),
        ('{"hashrate_hps": 1, "shares_accepted": 2}', False, "needs 5 H/s"),
        ('{"ready": true}', True, "by its `stats`"),
        ('{"ready": false, "reason": "loading"}', False, "loading"),
        ('{"hashrate": 9}', False, "`stats`: Object contains unknown field `hashrate`"),
        ("9 MH/s", False, "`stats`: Expected `object`"),
    ],
)
def test_ready_by_its_figures(folder: Path, printed: str, ready: bool, reason: str) -> None:
    async def scenario() -> None:
        runs = workload(folder, stats=f"echo '{printed}'", status="exit 0")
        look = await driver().probe(runs)
        assert look.ready is ready
        assert look.reason.startswith(reason)

    asyncio.run(scenario())


def test_figures_are_reported_but_not_the_account(folder: Path) -> None:
    async def scenario() -> None:
        printed = '{"hashrate_hps": 9.5, "pool": "p.example:1", "account": "w", "uptime_s": 3}'
        runs = workload(folder, stats=f"echo '{printed}'")
        assert await driver().read(runs) == WorkloadReading(
            group="g", workload="w", hashrate_hps=9.5, pool="p.example:1", uptime_s=3.0
        )
        assert await driver().read(workload(folder, stats="exit 1")) is None
        assert await driver().read(workload(folder)) is None

    asyncio.run(scenario())


def test_its_pins_hold_for_figures_commands_and_what_they_start(folder: Path) -> None:
    async def scenario() -> None:
        stats = """echo '{"pool": "evil.example:1", "account": "somebody"}'"""
        runs = replace(
            workload(folder, stats=stats),
            pins=Pins(wallets=("farm",), pools=("pool.example:1",)),
            environment={"A": "0x"},
        )
        with pytest.raises(DriverError, match=r"unapproved pool evil\.example:1 in its `stats`"):
            await driver().prepare(runs)
        evil = f"WALLET=${{A}}{'bad' * 13}0 sleep 1000 > /dev/null 2>&1 & echo $! > {folder}/pid"
        quiet = replace(workload(folder, start=evil), pins=runs.pins, environment={"A": "0x"})
        await driver().start(quiet)
        found = await driver().unapproved(quiet)
        assert [str(each).partition(" of ")[0] for each in found] == [
            "unapproved wallet 0xbadb…bad0 in the environment"
        ]

    asyncio.run(scenario())

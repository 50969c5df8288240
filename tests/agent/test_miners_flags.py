"""What a miner's command line must and must not say before it is started."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.drivers.miner import MinerDriver
from agent.drivers.miners import flags
from agent.drivers.miners.flags import Form
from agent.drivers.miners.row import Miner
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from agent.ports import DriverError
from tests.parts import miners
from tests.parts.apis import SaysItRuns
from tests.parts.programs import free_port

FLAGS = [(row, flag) for row in MINERS for flag in row.flags]
FLAG_IDS = [f"{row.driver}{flag.names[0]}" for row, flag in FLAGS]


def good(row: Miner, *, without: flags.Flag | None = None) -> tuple[str, ...]:
    """The options of a command line that can be left to the agent."""
    wanted = [flag for flag in row.flags if flag.form is not Form.NEVER and flag is not without]
    return tuple(
        word for flag in wanted for word in flag.shown.replace("PORT", str(miners.PORT)).split()
    )


def found(row: Miner, *words: str) -> list[str]:
    return list(flags.problems(("/opt/miner", *words), row.flags, miners.PORT))


@pytest.mark.parametrize("row", MINERS, ids=lambda row: row.driver)
def test_a_good_command_line_passes(row: Miner) -> None:
    assert found(row, *good(row)) == []
    joined = [f"{name}={value}" for name, value in zip(good(row), good(row)[1:], strict=False)]
    words = [word for word in joined if word.startswith("-") and "=-" not in word]
    plain = [flag.names[0] for flag in row.flags if flag.form is Form.NOTHING]
    assert found(row, *words, *plain) == []


@pytest.mark.parametrize("row", MINERS, ids=lambda row: row.driver)
def test_prepare_checks_the_command_line(row: Miner) -> None:
    port = free_port()
    workload = replace(
        miners.workload(row, *(word.replace(str(miners.PORT), str(port)) for word in good(row))),
        api_url=f"{row.scheme}://127.0.0.1:{port}",
    )
    driver = MinerDriver(SaysItRuns(), ApiSource(row))
    asyncio.run(driver.prepare(workload))

    other = {"http": "tcp", "tcp": "http"}[row.scheme]
    wrong = replace(workload, api_url=f"{other}://127.0.0.1:{port}")
    with pytest.raises(DriverError, match=f"not of the form {row.scheme}://"):
        asyncio.run(driver.prepare(wrong))


@pytest.mark.parametrize(("row", "flag"), FLAGS, ids=FLAG_IDS)
def test_what_is_missing_is_named(row: Miner, flag: flags.Flag) -> None:
    problems = found(row, *good(row, without=flag))
    if flag.required and flag.form is not Form.NEVER:
        shown = flag.shown.replace("PORT", str(miners.PORT))
        assert problems == [f"`command` lacks `{shown}`: {flag.why}"]
    else:
        assert problems == []


@pytest.mark.parametrize(("row", "flag"), FLAGS, ids=FLAG_IDS)
def test_what_is_wrong_is_named(row: Miner, flag: flags.Flag) -> None:
    """Given twice, the miner may believe either."""
    for name in flag.names:
        problems = found(row, *good(row), name, "0.0.0.0:1")
        if flag.form is Form.NOTHING:
            assert problems == []
        else:
            assert len(problems) == 1
            assert flag.names[0] in problems[0]


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("127.0.0.1:4067", True),
        ("localhost:4067", True),
        ("[::1]:4067", True),
        ("127.0.0.1:4068", False),
        ("0.0.0.0:4067", False),
        ("192.0.2.1:4067", False),
        (":4067", False),
        ("4067", False),
        ("", False),
    ],
)
def test_an_address_is_on_loopback_at_the_port_of_api_url(value: str, fits: bool) -> None:
    wanted = (flags.address("--api"),)
    assert (not list(flags.problems(("--api", value), wanted, 4067))) is fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [("4067", True), ("127.0.0.1:4067", True), ("0.0.0.0:4067", False), ("4068", False)],
)
def test_a_port_may_have_loopback_before_it(value: str, fits: bool) -> None:
    wanted = (flags.port("--api"),)
    assert (not list(flags.problems((f"--api={value}",), wanted, 4067))) is fits


def test_an_option_at_the_end_has_no_value() -> None:
    wanted = (flags.host("--host"),)
    (problem,) = flags.problems(("--host",), wanted, 1)
    assert problem.startswith("`command` has `--host`, write `--host 127.0.0.1`: ")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    row = miners.BY_NAME["lolminer"]
    with pytest.raises(DriverError) as caught:
        ApiSource(row).check(miners.workload(row, "--apiport", "1"))
    said = str(caught.value)
    assert said.startswith("g.w: ")
    for part in (
        "`command` has `--apiport 1`, write `--apiport 4067`",
        "`command` lacks `--apihost 127.0.0.1`",
        "`command` lacks `--watchdog exit`",
    ):
        assert part in said

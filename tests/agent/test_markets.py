"""What recorded answers of marketplaces mean, what is sent to them, and how politely."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.demo.http_server import Reply, Request
from agent.drivers.http import Answer
from agent.drivers.market import MarketDriver
from agent.drivers.markets import sight
from agent.drivers.markets.desk import BACKOFF_MAX_S, Desk
from agent.drivers.markets.sight import Sight, UnclearError
from agent.ports import DriverError
from tests.parts.markets import MACHINE, ROWS, TOKEN, SimMarket, answers, tried, workload

SITUATIONS = {
    ("vast", "offered"): Sight(False, True, True, 0, 0.0),
    ("vast", "rented"): Sight(True, True, True, 1, 0.35),
    ("vast", "withdrawn"): Sight(False, False, True, 0, 0.0),
    ("vast", "withdrawn, rented"): Sight(True, False, True, 2, 0.62),
    ("vast", "unreachable"): Sight(False, True, False, 0, 0.0),
    ("clore", "offered"): Sight(False, True, True, 0, None),
    ("clore", "rented"): Sight(True, True, True, 2, None),
    ("clore", "withdrawn"): Sight(False, False, True, 0, None),
    ("clore", "withdrawn, rented"): Sight(True, False, True, 2, None),
    ("clore", "unreachable"): Sight(False, True, False, 0, None),
    ("akash", "offered"): Sight(False, None, None, 0, None),
    ("akash", "rented"): Sight(True, None, None, 1, None),
    ("akash", "withdrawn"): Sight(False, None, None, 0, None),
    ("akash", "withdrawn, rented"): Sight(True, None, None, 2, None),
}


def seen(driver: str, document: object, folder: Path) -> Sight:
    row = ROWS[driver]
    return sight.read(row, workload(row, folder, ""), json.dumps(document).encode())


@pytest.mark.parametrize(("driver", "situation"), SITUATIONS)
def test_recorded_answers_mean_what_they_say(driver: str, situation: str, tmp_path: Path) -> None:
    document = answers(driver)[situation]
    assert seen(driver, document, tmp_path) == SITUATIONS[driver, situation]


def test_every_recorded_answer_is_read() -> None:
    assert {(name, situation) for name in ROWS for situation in answers(name)} == set(SITUATIONS)


def test_gpus_that_say_anything_but_idle_are_rented(tmp_path: Path) -> None:
    document = answers("vast")["offered"]
    document["machines"][1]["gpu_occupancy"] = "x Q "
    assert seen("vast", document, tmp_path).rented is True


def test_a_machine_without_a_count_of_rentals_is_not_free(tmp_path: Path) -> None:
    document = answers("vast")["withdrawn"]
    del document["machines"][1]["current_rentals_running"]
    found = seen("vast", document, tmp_path)
    assert found.rented is None
    assert not found.free


def test_newer_providers_tell_leases_one_level_deeper(tmp_path: Path) -> None:
    assert seen("akash", {"cluster": {"leases": {"active": 2}}}, tmp_path).rented is True
    assert seen("akash", {"cluster": {"leases": {"active": 0}}}, tmp_path).rented is False


@pytest.mark.parametrize("code", [1, 3, 5, False])
def test_an_answer_with_a_fault_code_is_none(code: object, tmp_path: Path) -> None:
    document = {**answers("clore")["withdrawn"], "code": code}
    with pytest.raises(UnclearError, match=r"clore\.ai answers"):
        seen("clore", document, tmp_path)


def test_what_is_sent_is_what_the_marketplaces_document(tmp_path: Path) -> None:
    sent = {
        name: [
            (request.method, request.path, request.document())
            for request in tried(ROWS[name], tmp_path, _offered_and_withdrawn)
        ]
        for name in ("vast", "clore")
    }
    assert sent["vast"][0] == (
        "PUT",
        "/api/v0/machines/create_asks/",
        {"machine": 4242, "price_gpu": 0.35},
    )
    assert ("DELETE", f"/api/v0/machines/{MACHINE}/asks/", {}) in sent["vast"]
    settings = {"name": MACHINE, "price_gpu": 0.35}
    offer = ("POST", "/v1/set_server_settings", {**settings, "availability": True})
    withdrawal = ("POST", "/v1/set_server_settings", {**settings, "availability": False})
    assert offer == sent["clore"][0]
    assert withdrawal in sent["clore"]
    assert ("GET", "/v1/server_config", {"server_name": MACHINE}) in sent["clore"]


async def _offered_and_withdrawn(
    market: SimMarket, driver: MarketDriver, offered: Workload
) -> list[Request]:
    await driver.start(offered)
    await driver.stop(offered, 30.0)
    return market.asked


@pytest.mark.parametrize(
    ("driver", "header", "value"),
    [("vast", "authorization", f"Bearer {TOKEN}"), ("clore", "auth", TOKEN)],
)
def test_the_token_goes_into_its_header_and_into_no_error(
    driver: str, header: str, value: str, tmp_path: Path
) -> None:
    async def attempt(market: SimMarket, made: MarketDriver, offered: Workload) -> str:
        await made.lock(offered)
        assert {request.headers[header] for request in market.asked} == {value}
        market.silent = True
        with pytest.raises(DriverError) as caught:
            await made.prepare(offered)
        return str(caught.value)

    assert TOKEN not in tried(ROWS[driver], tmp_path, attempt)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    offered = workload(ROWS["vast"], tmp_path, "")
    assert offered.market is not None
    token = Path(offered.market.token_file)
    token.chmod(0o644)
    with pytest.raises(DriverError, match="chmod 600"):
        Desk(ROWS["vast"]).check(offered)
    token.chmod(0o600)
    token.write_text("two\nlines\n")
    with pytest.raises(DriverError, match="more than one line"):
        Desk(ROWS["vast"]).check(offered)
    token.unlink()
    with pytest.raises(DriverError, match="No such file"):
        Desk(ROWS["vast"]).check(offered)
    relative = replace(offered, market=replace(offered.market, token_file="token"))
    with pytest.raises(DriverError, match="absolute path"):
        Desk(ROWS["vast"]).check(relative)


def test_a_marketplace_without_calls_wants_commands_and_an_address(tmp_path: Path) -> None:
    offered = workload(ROWS["akash"], tmp_path, "https://provider.example:8443")
    assert offered.market is not None
    Desk(ROWS["akash"]).check(offered)
    for lacking in (replace(offered.market, url=""), replace(offered.market, list_command=())):
        with pytest.raises(DriverError, match="is missing"):
            Desk(ROWS["akash"]).check(replace(offered, market=lacking))


def test_commands_that_fail_are_told(tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, offered: Workload) -> list[str]:
        assert offered.market is not None
        told = []
        for command in (("/nonexistent/kubectl",), ("false",)):
            broken = replace(offered, market=replace(offered.market, list_command=command))
            with pytest.raises(DriverError) as caught:
                await driver.start(broken)
            told.append(str(caught.value))
        return told

    absent, failed = tried(ROWS["akash"], tmp_path, attempt)
    assert "/nonexistent/kubectl cannot be run" in absent
    assert "false ended with exit code 1" in failed


def test_it_is_asked_at_most_as_often_as_it_allows() -> None:
    pauses = _pauses_s(*(Reply.of(answers("vast")["offered"]) for _ in range(3)))
    assert pauses == [5.0, 5.0, 5.0]


def test_refusals_double_the_pause_and_an_answer_ends_that() -> None:
    good, busy = Reply.of(answers("vast")["offered"]), Reply(429)
    pauses = _pauses_s(*[busy] * 7, good, good)
    assert pauses == [10, 20, 40, 80, *[BACKOFF_MAX_S] * 3, 5, 5]


def _pauses_s(*replies: Reply) -> list[float]:
    """Seconds between questions, as the desk's own reckoning has them."""
    made = Desk(ROWS["vast"])
    return [made._pause_after(Answer(reply.status, reply.body)) for reply in replies]


def test_how_long_it_asks_to_be_left_alone_counts() -> None:
    made = Desk(ROWS["vast"])
    assert made._pause_after(Answer(429, b"", retry_after_s=60.0)) == 60.0
    assert made._pause_after(None) == BACKOFF_MAX_S


def test_an_offer_that_somebody_else_withdrew_has_ended(tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, offered: Workload) -> str:
        await driver.start(offered)
        watch = asyncio.create_task(driver.exited(offered))
        market.rented, market.listed = True, False
        await asyncio.sleep(0.1)
        assert not watch.done(), "a tenant is still there"
        market.rented = False
        return await watch

    assert "not offered on vast.ai any more" in tried(ROWS["vast"], tmp_path, attempt)


def test_an_unreachable_machine_is_not_ready(tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, offered: Workload) -> str:
        market.broken = json.dumps(answers("clore")["unreachable"]).encode()
        look = await driver.probe(offered)
        assert not look.ready
        return look.reason

    assert tried(ROWS["clore"], tmp_path, attempt) == "clore.ai does not reach the machine"


def test_a_state_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, offered: Workload) -> None:
        (tmp_path / "state").write_text("a file")
        with pytest.raises(DriverError, match="markets"):
            await driver.start(offered)
        assert not market.offered, "what could not be remembered is not offered"

    tried(ROWS["vast"], tmp_path, attempt)

"""What switchers have been taken in by, from the wire to the plan: nobody moves, and why is said.

Spikes of a single source, silence, HTML with status 200, prices off by 1000 or in cents: told of
many switchers of this kind by those who ran them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from controller.core.model import Block, Decision, Quote, QuoteState
from controller.core.planning.planner import Situation, plan
from controller.core.prices.plausibility import Cautious, QuoteRules
from controller.feeds import assembly
from controller.feeds.settings import (
    FeedsSettings,
    FieldSettings,
    HttpFeedSettings,
    RateSettings,
    TariffSettings,
)
from controller.prices import Prices
from tests.controller.fleet import FARM, POLICY, view
from tests.parts.provider import Provider, serving

BEGIN = 1_773_490_200.0
MINUTE = 60.0
CALM = {"power": 100.0, "etc": 0.03, "xmr": 0.02, "rent": 0.03, "demand": 3.0}
"""Power by the MWh. Mining etc pays best, and the server stands by."""
UNITS = {"power": "usd_per_mwh", "demand": "groups"}

Story = Callable[["World"], Coroutine[Any, Any, None]]


def rules(low: float, high: float, **changes: Any) -> QuoteRules:
    usual = {"unit": "it", "stale_after_s": 900.0, "step_max_ratio": 1.5}
    return QuoteRules(**{**usual, "min": low, "max": high, **changes})


POWER = rules(-0.5, 1.0, cautious=Cautious.HIGH, step_max_ratio=None, step_max=0.05)
RULES = {
    "power": POWER,
    "spot": POWER,
    "etc": rules(0.001, 0.5),
    "xmr": rules(0.001, 0.5),
    "rent": rules(0.005, 2.0),
    "demand": rules(0.0, 1000.0, step_max_ratio=None),
}


class World:
    """Three providers that say the same, a book of quotes, and one rig that mines etc."""

    def __init__(
        self, providers: list[Provider], settings: FeedsSettings, servers: list[ExitStack]
    ) -> None:
        self.now = BEGIN
        self.providers = providers
        self.servers = servers
        feeds = assembly.feeds(
            settings, self.quote, lambda _: [], clock=self._clock, wall=self._clock
        )
        self.prices = Prices(feeds, RULES, clock=self._clock, interval_s=10.0)

    def _clock(self) -> float:
        return self.now

    def say(self, source: int, body: str | Mapping[str, object], **changes: Any) -> None:
        self.providers[source].says(body if isinstance(body, str) else json.dumps(body), **changes)

    async def pass_by(self, minutes: int) -> Decision:
        """Look every minute; the newest decision."""
        decision = self.decide()
        for _ in range(minutes):
            self.now += MINUTE
            await self.prices.look()
            decision = self.decide()
        return decision

    async def stays(self, minutes: int) -> Decision:
        """The same, and the rig is never told to switch."""
        decision = self.decide()
        for _ in range(minutes):
            decision = await self.pass_by(1)
            assert not decision.moves, decision.reason
        return decision

    def decide(self) -> Decision:
        situation = Situation(
            views=[view(assigned_at=BEGIN - 86_400.0)],
            quotes=self.prices.quotes(),
            holds=(),
            policy=POLICY,
            farm=FARM,
            now=self.now,
        )
        (decision,) = plan(situation).decisions
        return decision

    def quote(self, series: str) -> Quote:
        return self.prices.quote(series)


def source(number: int, origin: str, names: Mapping[str, str]) -> HttpFeedSettings:
    """A provider that tells every price of `CALM`; `names` are other series for some."""
    fields = tuple(
        FieldSettings(
            series=names.get(each, each), path=each, unit=UNITS.get(each, "usd_per_gpu_h")
        )
        for each in CALM
    )
    return HttpFeedSettings(
        name=f"source-{number}",
        url=origin + "/prices",
        fields=fields,
        interval_s=MINUTE,
        timeout_s=20.0,
    )


@asynccontextmanager
async def world(sources: int, *, tariffs: tuple[TariffSettings, ...] = ()) -> AsyncIterator[World]:
    """A calm farm whose prices are all trusted already; with tariffs, by a spot market."""
    names = {"power": "spot"} if tariffs else {}
    with ExitStack() as stack:
        servers = [stack.enter_context(ExitStack()) for _ in range(sources)]
        providers = [server.enter_context(serving()) for server in servers]
        http = tuple(source(i, each.origin, names) for i, each in enumerate(providers))
        made = World(providers, FeedsSettings(http=http, tariffs=tariffs), servers)
        try:
            for number in range(sources):
                made.say(number, CALM)
            decision = await made.pass_by(15)
            assert (decision.chosen, decision.blocked) == ("etc", Block.NONE)
            assert made.quote("power").state is QuoteState.FRESH
            yield made
        finally:
            await made.prices.close()


def played(story: Story, sources: int = 1) -> None:
    async def scenario() -> None:
        async with world(sources) as made:
            await story(made)

    asyncio.run(scenario())


def test_a_rise_that_all_sources_tell_moves_the_rig() -> None:
    """The stories below prove nothing unless a real change does move it."""

    async def story(world: World) -> None:
        for source in range(3):
            world.say(source, {**CALM, "rent": 0.3})
        decision = await world.pass_by(7)
        assert decision.chosen == "llama"

    played(story, sources=3)


@pytest.mark.parametrize(
    ("series", "factor", "said"),
    [
        ("rent", 1000.0, "rent: source source-0 says 30 it, outside 0.005 to 2"),
        ("rent", 10.0, "source source-0 jumps to 0.3, which is doubted"),
        ("xmr", 100.0, "xmr: source source-0 says 2 it, outside 0.001 to 0.5"),
        ("power", 1000.0, "power: source source-0 says 100 it, outside -0.5 to 1"),
        ("power", -4.0, "source source-0 jumps to -0.4, which is doubted"),
    ],
)
def test_a_spike_of_the_only_source_moves_nobody(series: str, factor: float, said: str) -> None:
    async def story(world: World) -> None:
        world.say(0, {**CALM, series: CALM[series] * factor})
        await world.stays(10)
        quote = world.quote(series)
        assert quote.state is QuoteState.HELD
        assert said in quote.reason
        world.say(0, CALM)
        await world.stays(10)
        assert world.quote(series).state is QuoteState.FRESH

    played(story)


@pytest.mark.parametrize("factor", [0.1, 10.0, 1000.0])
def test_a_spike_of_one_of_three_sources_is_outvoted(factor: float) -> None:
    async def story(world: World) -> None:
        world.say(1, {**CALM, "rent": CALM["rent"] * factor})
        await world.stays(45)
        assert world.quote("rent").value == pytest.approx(CALM["rent"])
        assert "source source-1" in world.quote("rent").reason

    played(story, sources=3)


@pytest.mark.parametrize("factor", [0.01, 100.0, 0.001, 1000.0])
@pytest.mark.parametrize("series", ["etc", "rent", "power"])
def test_cents_for_dollars_and_kwh_for_mwh_move_nobody(series: str, factor: float) -> None:
    """A provider changes its unit without a word; for half an hour nobody believes it."""

    async def story(world: World) -> None:
        world.say(0, {**CALM, series: CALM[series] * factor})
        await world.stays(14)
        quote = world.quote(series)
        assert quote.state is QuoteState.HELD
        assert "source source-0" in quote.reason
        assert quote.value == pytest.approx(CALM[series] / (1000 if series == "power" else 1))

    played(story)


HTML = "<!DOCTYPE html><title>Just a moment...</title>"


@pytest.mark.parametrize(
    ("body", "changes", "fault"),
    [
        (HTML, {"headers": {"Content-Type": "text/html"}}, "answered text/html, not JSON: '<!DOC"),
        (HTML, {}, "answered broken JSON: '<!DOCTYPE html>"),
        ('{"error": "maintenance"}', {}, "`power` is null or missing; `etc` is null or missing"),
        ("{}", {"status": 503}, "answered 503 Service Unavailable: '{}'"),
        ("{}", {"status": 429, "headers": {"Retry-After": "90"}}, "answered 429 Too Many Requests"),
        ('{"power": 0, "etc": 0, "xmr": 0, "rent": 0, "demand": 0}', {}, ""),
    ],
)
def test_an_answer_that_is_none_moves_nobody_however_long(
    body: str, changes: dict[str, Any], fault: str
) -> None:
    async def story(world: World) -> None:
        world.say(0, body, **changes)
        decision = await world.stays(14)
        assert decision.chosen == "etc"
        assert fault in world.prices.faults.get("source-0", "")
        decision = await world.stays(60)
        if fault:
            assert (decision.blocked, world.quote("etc").value) == (Block.NO_QUOTE, None)
            assert "no quote for etc" in decision.reason
        world.say(0, CALM)
        await world.stays(10)
        assert world.prices.faults == {}
        assert world.quote("etc").value == pytest.approx(0.03)

    played(story)


def test_silence_moves_nobody() -> None:
    async def story(world: World) -> None:
        world.servers[0].close()
        decision = await world.stays(14)
        assert "could not be asked" in world.prices.faults["source-0"]
        assert (decision.chosen, decision.blocked) == ("etc", Block.NONE)
        decision = await world.stays(60)
        assert (decision.chosen, decision.blocked) == ("etc", Block.NO_QUOTE)

    played(story)


def test_a_tariff_falls_silent_with_the_market_that_it_is_made_of() -> None:
    tariff = TariffSettings(series="power", base="spot", rates=(RateSettings(price=0.02),))

    async def scenario() -> None:
        async with world(1, tariffs=(tariff,)) as made:
            assert made.quote("power").value == pytest.approx(0.12)
            made.say(0, {**CALM, "power": 100_000.0})
            await made.stays(10)
            assert made.quote("power").value == pytest.approx(0.12)
            decision = await made.stays(30)
            assert decision.blocked is Block.NO_QUOTE
            assert (
                "tariff/power: no price to compute from: spot: "
                in (made.prices.faults["tariff/power"])
            )

    asyncio.run(scenario())

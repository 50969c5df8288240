"""What if: suppositions are read, applied to nothing but a copy, and told with their worth."""

from __future__ import annotations

import pytest

from controller.core import supposing
from controller.core.supposing import Cap, Price, SuppositionError
from controller.orders import BadRequestError
from controller.store.memory import MemoryStore
from controller.suppositions import Suppositions
from tests.controller import fleet
from tests.controller.fleet import FARM
from tests.controller.governed import OWING, TEXT, Office


@pytest.mark.parametrize(
    ("text", "price", "value"),
    [
        ("power=0.3", Price("power", "=", 0.3), 0.3),
        ("power=-0.05", Price("power", "=", -0.05), -0.05),
        ("mining.etc*=1.5", Price("mining.etc", "*=", 1.5), 0.15),
        ("power+=0.05", Price("power", "+=", 0.05), 0.15),
        ("a-b -=1e-2", Price("a-b", "-=", 0.01), 0.09),
    ],
)
def test_prices_are_written_as_people_would(text: str, price: Price, value: float) -> None:
    assert supposing.price(text) == price
    assert price.of(0.1) == pytest.approx(value)
    assert (price.of(None) is None) == (price.act != "=")


@pytest.mark.parametrize(
    "text", ["", "power", "power=", "power=dear", "=3", "power=nan", "power=1e999"]
)
def test_what_is_no_price_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SuppositionError, match=r"write power\.oslo=0\.30"):
        supposing.price(text)


def test_caps_have_units() -> None:
    assert supposing.cap("oslo=40kW") == Cap("oslo", 40_000.0)
    assert supposing.cap("oslo=1.2MW") == Cap("oslo", 1_200_000.0)
    assert supposing.cap("oslo=0W") == Cap("oslo", 0.0)
    assert supposing.cap("oslo=none") == Cap("oslo", None)
    for text in ("oslo", "oslo=40", "oslo=4.4.4kW", "oslo=-1kW", "=1kW"):
        with pytest.raises(SuppositionError, match="write oslo=40kW"):
            supposing.cap(text)


def office(text: str = TEXT, count: int = 2) -> tuple[Office, Suppositions]:
    made = Office(MemoryStore(), text, count)
    made.plan()
    return made, Suppositions(made.regime, made.board, FARM, lambda: made.board.quoted)


def test_a_price_moves_groups_and_is_worth_something() -> None:
    made, suppositions = office()
    before = made.board.newest
    found = suppositions.ask(["xmr=5"], [], [])
    assert [(move.without, move.planned) for move in found.moves] == [("llama", "xmr")] * 2
    assert found.then_usd_per_h > found.stay_usd_per_h
    assert found.changes == ("xmr = 5",)
    assert found.lasting == ()
    assert made.board.newest is before
    assert made.board.quoted["xmr"].value == fleet.PRICES["xmr"]


def test_dear_power_stops_what_does_not_pay_and_saves_what_staying_would_lose() -> None:
    _, suppositions = office()
    found = suppositions.ask(["power*=100"], [], [])
    assert {move.planned for move in found.moves} == {None}
    assert found.stay_usd_per_h < found.then_usd_per_h < 0.0
    assert found.lasting == ("oslo",)


def test_a_cap_sheds_and_its_absence_is_free() -> None:
    _, suppositions = office()
    assert len(suppositions.ask([], ["oslo=100W"], []).moves) >= 1
    assert suppositions.ask([], ["oslo=none"], []).moves == ()


def test_without_a_contract_its_groups_follow_the_price() -> None:
    _, suppositions = office(OWING)
    found = suppositions.ask(["xmr=5"], [], ["acme"])
    assert [move.planned for move in found.moves] == ["xmr", "xmr"]
    assert len(suppositions.ask(["xmr=5"], [], []).moves) == 1
    assert found.contracts == ()


@pytest.mark.parametrize(
    ("prices", "caps", "without", "text"),
    [
        ([], [], [], "nothing is supposed"),
        (["gold=1"], [], [], "no series 'gold'; known are demand, etc"),
        ([], ["bergen=1kW"], [], "no site 'bergen'; known are oslo"),
        ([], [], ["acme"], "no contract 'acme'; known are none"),
        (["power"], [], [], "supposes no price"),
    ],
)
def test_what_means_nothing_here_is_told_with_what_is_known(
    prices: list[str], caps: list[str], without: list[str], text: str
) -> None:
    _, suppositions = office()
    with pytest.raises(BadRequestError, match=text):
        suppositions.ask(prices, caps, without)


def test_a_series_without_a_price_can_be_given_one_but_not_changed() -> None:
    made, suppositions = office()
    made.board.quoted = fleet.quotes({**fleet.PRICES, "rent": None})
    with pytest.raises(BadRequestError, match="rent has no price now"):
        suppositions.ask(["rent*=2"], [], [])
    assert suppositions.ask(["rent=0.5"], [], []).changes == ("rent = 0.5",)

"""Orders of the grid: entered, refused, planned for, ended, kept over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.curtailment import LEAD_S
from controller.curtailments import Curtailment, Curtailments
from controller.orders import OperationError
from controller.ports import Scene, Store
from controller.records import Event
from controller.regime import Regime, Surroundings
from controller.store.limits import GRID_ORDERS_S
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from tests.controller.fleet import FARM, NOW, PRICES, quotes, view
from tests.controller.governed import CONTRACT, TEXT, policy

ASKED = Curtailment(
    site="oslo", cap_w=0.0, starts_at=NOW + 3600, for_s=7200, reason="reserve, Statnett"
)


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SqlStore.open(tmp_path / "store.db")) as opened:
        yield opened


class Clock:
    """Time and what is asked of the planner."""

    def __init__(self) -> None:
        self.now = NOW
        self.pokes = 0

    def poke(self) -> None:
        self.pokes += 1


def desk(store: Store, clock: Clock) -> Curtailments:
    numbers = iter("abcdef")
    return Curtailments(
        store, ["oslo"], now=lambda: clock.now, new_id=lambda: next(numbers), poke=clock.poke
    )


def test_an_order_is_durable_audited_and_ends(store: Store) -> None:
    clock = Clock()
    curtailments = desk(store, clock)
    entered = curtailments.enter(ASKED, "ada")
    assert (entered.order_id, entered.ends_at) == ("grid-a", NOW + 3600 + 7200)
    assert curtailments.known() == [entered]
    (line,) = store.events(limit=9)
    assert (line.actor, line.verb, line.subject) == ("ada", "curtail", "oslo")
    assert line.detail == "0.00 kW for 2h; reserve, Statnett"
    clock.now = entered.ends_at
    assert curtailments.known() == []
    assert store.grid_orders() == [entered]
    assert clock.pokes == 1


def test_it_can_be_ended_before_its_time_but_once(store: Store) -> None:
    clock = Clock()
    curtailments = desk(store, clock)
    entered = curtailments.enter(replace(ASKED, starts_at=None), "ada")
    clock.now += 60
    assert curtailments.end(entered.order_id, "bo") == replace(entered, ends_at=NOW + 60)
    assert curtailments.known() == []
    with pytest.raises(OperationError, match="no order 'grid-a' of the grid stands"):
        curtailments.end(entered.order_id, "bo")
    assert [event.verb for event in store.events(limit=9)] == ["resume", "curtail"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"site": "bergen"}, "no site 'bergen'"),
        ({"cap_w": -1.0}, "a site cannot draw -1 W"),
        ({"cap_w": float("nan")}, "a site cannot draw nan W"),
        ({"for_s": 0.0}, "an order cannot last 0s"),
        ({"for_s": 8 * 86_400.0}, "an order cannot last 8d"),
        ({"starts_at": NOW - 7201}, "has ended already"),
        ({"starts_at": NOW + 40 * 86_400}, "begins in another season"),
        ({"reason": "  "}, "no fit reason"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    store: Store, changes: dict[str, float | str], text: str
) -> None:
    clock = Clock()
    with pytest.raises(OperationError, match=text):
        desk(store, clock).enter(replace(ASKED, **changes), "ada")  # type: ignore[arg-type]
    assert store.grid_orders() == []
    assert store.events(limit=9) == []
    assert clock.pokes == 0


@pytest.mark.parametrize(
    ("terms", "serves"),
    [("", "llama"), ("    curtailed: serve\n", "llama"), ("    curtailed: yield\n", None)],
)
def test_groups_stop_in_time_and_a_contract_as_its_terms_say(
    store: Store, terms: str, serves: str | None
) -> None:
    clock = Clock()
    regime = Regime(
        policy(TEXT + CONTRACT + terms), FARM, around=Surroundings(grid_orders=store.grid_orders)
    )
    desk(store, clock).enter(ASKED, "ada")
    views = [replace(view(0, "llama"), committed=True), view(1, "llama")]

    def chosen(at: float) -> list[str | None]:
        clock.now = at
        plan = regime.decide(Scene(views, quotes({**PRICES, "rent": 1.0}), [], at, at))
        told = any("a grid order of ada until" in text for text in plan.warnings)
        assert told == (NOW + 3600 - LEAD_S <= at < NOW + 10_800)
        return [decision.chosen for decision in plan.decisions]

    assert chosen(NOW) == ["llama", "llama"]
    assert chosen(NOW + 3600 - LEAD_S) == [serves, None]
    assert chosen(NOW + 10_799) == [serves, None]
    assert chosen(NOW + 10_800) == ["llama", "llama"]


def test_it_outlives_the_controller_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    path, clock = tmp_path / "store.db", Clock()
    with closing(SqlStore.open(path)) as opened:
        entered = desk(opened, clock).enter(ASKED, "ada")
    with closing(SqlStore.open(path)) as again:
        assert again.grid_orders() == [entered]
        late = Event(
            at=entered.ends_at + GRID_ORDERS_S + 1, actor="", verb="", subject="", detail=""
        )
        newer = replace(entered, order_id="grid-z", ends_at=late.at + 1)
        again.put_grid_order(newer, late)
        assert again.grid_orders() == [newer]

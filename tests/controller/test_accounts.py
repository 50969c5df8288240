"""Accounts: what ran, what fixed choices would have earned, and hindsight, on the same ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.books import accounts
from controller.core.books.accounts import Accounts, Activity, Pool, PoolPrices, SwitchTicks
from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.model import GroupKey, GroupView, Quote, QuoteState
from controller.core.options import economics
from wire.model import (
    GroupOffer,
    GroupStatus,
    Kind,
    Leg,
    Outcome,
    Phase,
    Result,
    WorkloadOffer,
)

TICK_S = 1800.0
KEYS = tuple(GroupKey(f"rig{i}", "a") for i in range(4))
POOL = Pool(name="oslo", groups=KEYS[:3], transition_w=200.0)
MINE, INFER, OFF, BUSY = Activity("etc"), Activity("llm"), Activity(), Activity(switching=True)
NO_TIME = SwitchTicks(0, 0)

FARM = FarmSettings(
    sites=(
        SiteSettings(
            name="oslo", power="power", power_adder_usd_per_kwh=0.05, demand_groups="demand"
        ),
    ),
    rig_classes=(RigClassSettings(name="card", gpu_off_w=50.0),),
    earnings=(
        EarningSettings(workload="etc", kind=Kind.MINING, revenue="coin", gpu_power_w=300.0),
        EarningSettings(
            workload="llm",
            kind=Kind.INFERENCE,
            revenue="rent",
            fee_ratio=0.2,
            gpu_power_w=400.0,
            gpu_idle_w=100.0,
        ),
    ),
)
VIEW = GroupView(
    key=KEYS[0],
    site="oslo",
    rig_class="card",
    labels={},
    offer=GroupOffer(
        "a", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING), WorkloadOffer("llm", Kind.INFERENCE))
    ),
    status=None,
    online=True,
    generation=0,
    assigned=None,
    assigned_at=0.0,
)


def priced(
    *, power: float = 0.05, coin: float = 0.1, rent: float = 0.5, demand: float = 1.5
) -> PoolPrices:
    """Prices of the pool; electricity costs `power` + 0.05 $/kWh."""
    values = {"power": power, "coin": coin, "rent": rent, "demand": demand}
    quotes = {
        series: Quote(series, value, 0.0, QuoteState.FRESH) for series, value in values.items()
    }
    return accounts.pool_prices(economics.market(FARM, quotes), VIEW)


def after(
    rows: Iterable[tuple[PoolPrices, tuple[Activity, ...]]],
    *,
    pool: Pool = POOL,
    switch_usd: float = 0.0,
) -> Accounts:
    """The accounts after these ticks."""
    sums = Accounts(pools=(pool,), tick_s=TICK_S, switch_usd=switch_usd)
    for prices, doing in rows:
        sums = sums.advance({"oslo": prices}, dict(zip(pool.groups, doing, strict=True)))
    return sums


def test_each_activity_earns_its_net() -> None:
    # Mining 0.1 - 0.3 kW * 0.1; busy serving 0.4 - 0.4 kW * 0.1; in a switch 0.2 kW * 0.1.
    sums = after([(priced(), (MINE, INFER, BUSY))])
    assert sums.profit_usd == pytest.approx((0.07 + 0.36 - 0.02) / 2)
    assert after([(priced(), (OFF, OFF, OFF))]).profit_usd == pytest.approx(-0.005 * 3 / 2)


def test_serving_groups_fill_in_order_whoever_they_are() -> None:
    busy, half, idle = 0.36, 0.5 * 0.4 - 0.25 * 0.1, -0.01
    for doing, expected in [
        ((INFER, INFER, INFER), busy + half + idle),
        ((MINE, INFER, INFER), 0.07 + busy + half),
        ((BUSY, MINE, INFER), -0.02 + 0.07 + busy),
    ]:
        assert after([(priced(), doing)]).profit_usd == pytest.approx(expected / 2)


def test_a_switch_pays_its_dollars_once_however_it_is_seen() -> None:
    seen = [OFF, BUSY, BUSY, MINE, MINE, INFER, BUSY, OFF]
    sums = after([(priced(), (doing, OFF, OFF)) for doing in seen], switch_usd=1.0)
    assert sums.switches == 3
    free = after([(priced(), (doing, OFF, OFF)) for doing in seen])
    assert sums.profit_usd == pytest.approx(free.profit_usd - 3.0)


def test_a_group_that_is_left_out_goes_on_as_before() -> None:
    sums = after([(priced(), (MINE, MINE, MINE))])
    assert sums.advance({"oslo": priced()}, {}).profit_usd == pytest.approx(2 * sums.profit_usd)


def test_negative_power_pays_for_drawing_it() -> None:
    sums = after([(priced(power=-0.15, coin=0.0), (MINE, OFF, BUSY))])
    assert sums.profit_usd == pytest.approx((0.03 + 0.005 + 0.02) / 2)


def test_always_pays_its_start_and_nothing_after() -> None:
    prices = [priced(coin=coin) for coin in (0.1, 0.2, 0.3)]
    sums = after([(price, (OFF,) * 3) for price in prices], switch_usd=0.01)
    started = after(
        [
            (prices[0], (BUSY,) * 3),
            (prices[1], (MINE,) * 3),
            (prices[2], (MINE,) * 3),
        ],
        switch_usd=0.01,
    )
    assert sums.always_usd("etc", SwitchTicks(1, 1)) == pytest.approx(started.profit_usd)
    with pytest.raises(ValueError, match="pool oslo does not offer xmr"):
        sums.always_usd("xmr", NO_TIME)


def test_hindsight_takes_the_best_option_of_every_position_when_switches_are_free() -> None:
    rows = [priced(coin=0.02, demand=1.5), priced(coin=0.4, demand=0.0), priced(power=5.0)]
    sums = after([(row, (OFF,) * 3) for row in rows])
    best = sum(
        max(row.net_usd_per_h(workload, position) for workload in ("etc", "llm", None))
        for row in rows
        for position in range(3)
    )
    assert sums.clairvoyant_usd(NO_TIME) == pytest.approx(best / 2)


def test_groups_past_all_demand_are_counted_as_one() -> None:
    rows = [priced(demand=demand, coin=coin) for demand, coin in ((0.2, 0.01), (1.1, 0.3))]
    for groups in (1, 2, 3, 4):
        pool = Pool(name="oslo", groups=KEYS[:groups], transition_w=200.0)
        sums = after([(row, (OFF,) * groups) for row in rows], pool=pool)
        best = sum(
            max(row.net_usd_per_h(workload, position) for workload in ("etc", "llm", None))
            for row in rows
            for position in range(groups)
        )
        assert sums.clairvoyant_usd(NO_TIME) == pytest.approx(best / 2)


def test_unlimited_demand_keeps_every_group_busy() -> None:
    sums = after([(priced(demand=math.inf), (INFER,) * 3)])
    assert sums.clairvoyant_usd(NO_TIME) == pytest.approx(sums.profit_usd)


prices_of_a_day = st.lists(
    st.builds(
        priced,
        power=st.sampled_from([-0.2, 0.0, 0.1, 0.5]),
        coin=st.sampled_from([0.0, 0.05, 0.2]),
        rent=st.sampled_from([0.1, 0.5]),
        demand=st.sampled_from([0.0, 0.4, 1.0, 2.7, 9.0]),
    ),
    min_size=1,
    max_size=8,
)
orders = st.lists(st.tuples(*[st.sampled_from([None, "etc", "llm"])] * 3), min_size=8, max_size=8)


def obeyed(orders: list[tuple[str | None, ...]], ticks: SwitchTicks) -> list[tuple[Activity, ...]]:
    """What three groups do that follow orders, each switch taking its whole ticks."""
    runs: list[str | None] = [None] * 3
    dark = [0] * 3
    rows = []
    for row in orders:
        for i, order in enumerate(row):
            if not dark[i] and order != runs[i]:
                runs[i] = order
                dark[i] = ticks.stop if order is None else ticks.start
            elif dark[i]:
                dark[i] -= 1
        doing = [Activity(switching=True) if dark[i] else Activity(runs[i]) for i in range(3)]
        rows.append(tuple(doing))
    return rows


@given(prices_of_a_day, orders, st.builds(SwitchTicks, st.integers(0, 3), st.integers(0, 2)))
def test_nobody_beats_hindsight(
    prices: list[PoolPrices], orders: list[tuple[str | None, ...]], ticks: SwitchTicks
) -> None:
    doing = obeyed(orders[: len(prices)], ticks)
    sums = after(zip(prices, doing, strict=True), switch_usd=0.01)
    best = sums.clairvoyant_usd(ticks) + 1e-9
    assert sums.profit_usd <= best
    assert sums.always_usd("etc", ticks) <= best
    assert sums.always_usd("llm", ticks) <= best


def test_nothing_is_guessed_without_a_price() -> None:
    quotes = {
        "power": Quote("power", 0.1, 0.0, QuoteState.FRESH),
        "demand": Quote("demand", 1.0, 0.0, QuoteState.FRESH),
        "coin": Quote("coin", None, 0.0, QuoteState.STALE, "feed is down"),
    }
    blind = accounts.pool_prices(economics.market(FARM, quotes), VIEW)
    with pytest.raises(ValueError, match=r"etc has no price: .*coin"):
        after([(blind, (MINE, OFF, OFF))])
    with pytest.raises(ValueError, match="no prices for pool oslo"):
        Accounts(pools=(POOL,), tick_s=TICK_S).advance({}, {})
    with pytest.raises(ValueError, match="workload xmr is not offered"):
        after([(priced(), (Activity("xmr"), OFF, OFF))])


@pytest.mark.parametrize(
    ("phase", "active", "expected"),
    [
        (Phase.IDLE, None, OFF),
        (Phase.FAILED, "etc", OFF),
        (Phase.RUNNING, "etc", MINE),
        (Phase.PREPARING, "etc", MINE),
        (Phase.PREPARING, None, OFF),
        *((phase, "etc", BUSY) for phase in Phase if not phase.stable and phase != "preparing"),
    ],
)
def test_activity_of_a_report(phase: Phase, active: str | None, expected: Activity) -> None:
    status = GroupStatus(
        group="a",
        phase=phase,
        leg=Leg.FORWARD,
        active=active,
        target="llm",
        generation=1,
        since_s=0.0,
    )
    assert accounts.activity(status) == expected
    assert accounts.activity(None) == OFF


def test_dark_time_leaves_preparing_out() -> None:
    outcome = Outcome(
        order_id="o",
        group="a",
        generation=1,
        result=Result.DONE,
        origin="etc",
        workload="llm",
        phase_s=((Phase.PREPARING, 9.0), (Phase.STOPPING, 1.0), (Phase.PROBING, 2.5)),
    )
    assert accounts.dark_s(outcome) == 3.5
    assert SwitchTicks.measured(3.5, 1.0, real_tick_s=0.25) == SwitchTicks(14, 4)

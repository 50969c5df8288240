"""What workloads deliver: learnt from many rigs, slowly, within bounds, and forgotten again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from controller.core.books.delivery import (
    HALF_LIFE_S,
    HOURS_MIN,
    RIGS_MIN,
    SHARE_MIN,
    STEP,
    Deliveries,
)
from controller.core.books.entries import MICRO, NOTHING, SECONDS_PER_DAY, Account, Entry, Measure
from controller.core.options import economics
from tests.controller.fleet import FARM, quotes, view

DAY = 20_000
NOW = (DAY + 1) * SECONDS_PER_DAY
ETC = ("a4000", "etc")


def rigs(count: int) -> Mapping[str, str]:
    return {f"rig-{n}": "a4000" for n in range(count)}


def worked(rig: str, earning_h: float, down_h: float, day: int = DAY) -> Entry:
    sums = list(NOTHING)
    sums[Measure.EARNING_H] = round(earning_h * MICRO)
    sums[Measure.DOWN_H] = round(down_h * MICRO)
    return Entry(Account(day, "oslo", rig, "all", "etc", "", 1, ""), tuple(sums))


def learnt(*shares: float, hours: float = 100 * HOURS_MIN) -> Deliveries:
    """Rigs that have delivered these parts of many hours."""
    made = Deliveries()
    made.learn(
        worked(f"rig-{n}", share * hours, (1.0 - share) * hours) for n, share in enumerate(shares)
    )
    made.weigh(NOW, rigs(len(shares)))
    return made


def test_what_is_always_there_counts_in_full() -> None:
    assert learnt(*[1.0] * 5).shares == {}


def test_what_is_often_down_counts_for_less() -> None:
    assert learnt(*[0.8] * RIGS_MIN).shares == pytest.approx({ETC: 0.8})


def test_it_never_counts_for_less_than_half() -> None:
    assert learnt(*[0.0] * RIGS_MIN).shares == {ETC: SHARE_MIN}


def test_no_rig_moves_its_class_alone_whatever_it_says() -> None:
    assert learnt(0.0, *[1.0] * (RIGS_MIN - 1)).shares == {}
    assert learnt(*[0.0] * (RIGS_MIN - 1)).shares == {}


def test_a_few_hours_say_nothing() -> None:
    assert learnt(*[0.0] * 5, hours=HOURS_MIN / 2).shares == {}


def test_small_errors_change_nothing_so_that_plans_do_not_flutter() -> None:
    made = learnt(*[0.8] * RIGS_MIN)
    for share in (0.8 + 0.9 * STEP, 0.8 - 0.9 * STEP):
        made.learn(
            worked(f"rig-{n}", share * 1e5, (1 - share) * 1e5, DAY + 1) for n in range(RIGS_MIN)
        )
        made.weigh(NOW + SECONDS_PER_DAY, rigs(RIGS_MIN))
        assert made.shares == pytest.approx({ETC: 0.8})


def test_what_nobody_tries_any_more_is_trusted_again() -> None:
    made = learnt(*[0.5] * RIGS_MIN)
    assert made.shares[ETC] == pytest.approx(0.5)
    made.weigh(NOW + 30 * HALF_LIFE_S, rigs(RIGS_MIN))
    assert made.shares == {}


def test_rigs_that_have_left_have_no_say() -> None:
    made = learnt(*[0.5] * 5)
    made.weigh(NOW, rigs(RIGS_MIN - 1))
    assert made.shares == {}


def test_a_day_told_in_parts_is_a_day() -> None:
    whole, parts = Deliveries(), Deliveries()
    for n in range(RIGS_MIN):
        whole.learn([worked(f"rig-{n}", 60.0, 40.0)])
        for _ in range(10):
            parts.learn([worked(f"rig-{n}", 6.0, 4.0)])
    for made in (whole, parts):
        made.weigh(NOW, rigs(RIGS_MIN))
    assert whole.shares == parts.shares
    assert ETC in whole.shares


def test_a_plan_reckons_with_what_comes_in_and_says_so() -> None:
    plain = economics.market(FARM, quotes()).prospects(view())
    learned = economics.market(FARM, quotes(), {ETC: 0.8}).prospects(view())
    for before, after in zip(plain, learned, strict=True):
        if before.workload == "etc":
            assert before.revenue_usd_per_h is not None
            assert after.revenue_usd_per_h == pytest.approx(0.8 * before.revenue_usd_per_h)
            assert after.busy_w == before.busy_w
            assert "it delivers 80%" in after.basis
        else:
            assert after == before

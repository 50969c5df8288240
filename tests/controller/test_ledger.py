"""Expected against realised: money that was promised, and money that came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.books.ledger import Tally
from controller.core.model import Plan
from tests.controller.fleet import planned, status, view
from wire.model import Phase

HOUR_S = 3_600.0


def net(plan: Plan, workload: str | None) -> float:
    (decision,) = plan.decisions
    (value,) = (o.net_usd_per_h for o in decision.options if o.workload == workload)
    assert value is not None
    return value


MINING = planned([view(assigned="etc")], {"power": 0.1, "etc": 0.03, "rent": None})
OFF = planned([view(assigned=None)], {"power": 0.5, "etc": 0.03, "rent": None})


def test_a_group_that_does_what_was_chosen_earns_what_was_promised() -> None:
    tally = Tally().passed(MINING, [view()], 2 * HOUR_S)
    assert tally.expected_usd == pytest.approx(2 * net(MINING, "etc"))
    assert tally.realized_usd == tally.expected_usd


@pytest.mark.parametrize(
    "report",
    [
        status("etc", Phase.PROBING),
        status(None, Phase.VACATING),
        status("llama"),
        status(None, Phase.FAILED),
        None,
    ],
)
def test_what_is_not_proven_to_do_it_earns_what_standing_still_does(report: object) -> None:
    tally = Tally().passed(MINING, [view(status=report)], HOUR_S)
    assert tally.expected_usd == pytest.approx(net(MINING, "etc"))
    assert tally.realized_usd == pytest.approx(net(MINING, None))
    assert tally.realized_usd < tally.expected_usd


def test_standing_still_costs_what_the_gpus_draw_anyway() -> None:
    tally = Tally().passed(OFF, [view(assigned=None)], HOUR_S)
    assert tally.realized_usd == tally.expected_usd == pytest.approx(net(OFF, None))
    assert tally.realized_usd < 0


def test_sums_run_on() -> None:
    first = Tally().passed(MINING, [view()], HOUR_S)
    assert first.passed(MINING, [view()], HOUR_S).expected_usd == pytest.approx(
        2 * first.expected_usd
    )


def test_no_time_and_time_that_runs_backwards_earn_nothing() -> None:
    for seconds in (0.0, -HOUR_S):
        assert Tally().passed(MINING, [view()], seconds) == Tally()


def test_a_group_that_has_gone_or_has_no_price_is_left_out() -> None:
    assert Tally().passed(MINING, [], HOUR_S) == Tally()
    (decision,) = MINING.decisions
    priceless = replace(
        decision, options=tuple(replace(o, net_usd_per_h=None) for o in decision.options)
    )
    plan = replace(MINING, decisions=(priceless,))
    assert Tally().passed(plan, [view()], HOUR_S) == Tally()

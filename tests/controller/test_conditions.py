"""Conditions in CEL: what they may ask, what they say when it is not known, what they never do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import conditions
from controller.conditions import Condition, ConditionError, Facts
from controller.core.model import Quote, QuoteState
from tests.controller.fleet import FARM, NOW, quotes, status, view
from wire.model import Phase

KNOWN = Facts(
    quote={"btc": 61_000.0, "fed-rate": 4.25},
    hour={"oslo": 7},
    weekday={"oslo": 3},
    fleet={"gpus": 12, "mining_gpus": 9},
)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("quote.btc > 60000", True),
        ("quote.btc > 60000.0 && quote['fed-rate'] < 4", False),
        ('hour.oslo >= 6 && hour["oslo"] < 22 && weekday.oslo <= 5', True),
        ("fleet.mining_gpus * 2 > fleet.gpus", True),
        ("!(quote.btc > 60000) ? false : quote.btc / 2.0 > 30000.0", True),
        ("has(quote.nothing)", False),
        ("hour.oslo in [6, 7, 8]", True),
    ],
)
def test_what_a_condition_may_ask(text: str, true: bool) -> None:
    reading = Condition(text).read(KNOWN)
    assert (reading.true, reading.trouble) == (true, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("quote.btc >", "is no CEL at column"),
        ("quote.btc > 1 &&\n&& true", "is no CEL at its line 2, column 1"),
        ("btc > 1", "asks for `btc`; there are only quote, hour, weekday, fleet"),
        ("[1, 2].all(x, x > 0)", "calls a method"),
        ("'aaaa'.matches('(a+)+$')", "calls a method"),
        ("timestamp('2026-01-01T00:00:00Z') > quote.btc", "calls `timestamp`"),
        ("quote[hour.oslo] > 1", "has an index that is no name"),
        ("quote.btc", "says a value that is neither true nor false"),
        ("quote.btc > 'much'", "compares things of different kinds"),
        ("(" * 40 + "true" + ")" * 40, "brackets within brackets"),
        ("true || " * 100 + "true", "is longer than 500 characters"),
    ],
)
def test_what_is_refused_when_the_policy_is_read(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=None) as refused:
        Condition(text)
    assert message in str(refused.value)


def test_a_price_that_is_not_known_is_told_and_counts_as_false() -> None:
    stale = Facts(missing={"btc": "no news for 2 h"})
    reading = Condition("quote.btc > 1").read(stale)
    assert (reading.true, reading.trouble) == (False, "no quote for btc: no news for 2 h")
    assert Condition("!(quote.btc > 1)").read(stale).true is False


def test_what_is_true_without_the_missing_price_is_true() -> None:
    stale = Facts(hour={"oslo": 7}, missing={"btc": "stale"})
    assert Condition("quote.btc > 1 || hour.oslo == 7").read(stale).true


def test_a_division_by_nothing_is_told_and_counts_as_false() -> None:
    reading = Condition("10 / (fleet.gpus - 12) > 1").read(KNOWN)
    assert (reading.true, "divide by zero" in reading.trouble) == (False, True)


def test_it_says_which_names_it_asks_for() -> None:
    names = Condition("quote.btc > quote['fed-rate'] && hour.oslo > 2").names
    assert names == {"quote": {"btc", "fed-rate"}, "hour": {"oslo"}}


def test_facts_are_local_time_trusted_prices_and_what_gpus_do() -> None:
    tokyo = replace(FARM, sites=(replace(FARM.sites[0], time_zone="Asia/Tokyo"),))
    known = quotes({"power": 0.1, "etc": None})
    views = [view(0), view(1, "llama"), view(2, status=status("etc", Phase.FAILED), online=False)]
    sunday = datetime(2026, 3, 1, 20, 30, tzinfo=UTC).timestamp()
    found = conditions.facts(known, tokyo, views, sunday)
    assert (found.hour, found.weekday) == ({"oslo": 5}, {"oslo": 1})
    assert (found.quote, found.missing) == ({"power": 0.1}, {"etc": "stale"})
    assert found.fleet == {
        "gpus": 3,
        "online_gpus": 2,
        "mining_gpus": 1,
        "inference_gpus": 1,
        "off_gpus": 0,
        "failed_gpus": 1,
    }


def test_a_missing_price_says_why() -> None:
    silent = {"btc": Quote("btc", None, NOW, QuoteState.STALE, "no news for 2 h")}
    assert conditions.facts(silent, FARM, [], NOW).missing == {"btc": "no news for 2 h"}


@given(st.text(max_size=60))
def test_no_text_does_anything_but_compile_or_be_refused(text: str) -> None:
    try:
        compiled = Condition(text)
    except ConditionError:
        return
    assert isinstance(compiled.read(Facts()).true, bool)


@given(
    st.lists(
        st.sampled_from(
            ["quote.a", "1", "2.5", "'x'", "hour.oslo", ">", "<", "&&", "||", "!", "+", "-", "*",
             "/", "%", "(", ")", "?", ":", "[", "]", "true", "null", "in", "size(quote)", "{", "}"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_words_of_cel_do_either(words: list[str]) -> None:
    try:
        compiled = Condition(" ".join(words))
    except ConditionError:
        return
    assert isinstance(compiled.read(Facts(quote={"a": 1.0}, hour={"oslo": 3})).true, bool)

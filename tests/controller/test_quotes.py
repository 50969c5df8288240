import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.model import Observation, Quote, QuoteState
from controller.core.prices import plausibility, quotes
from controller.core.prices.plausibility import Cautious, QuoteRules
from controller.core.prices.quotes import Book

REVENUE = QuoteRules(
    unit="usd_per_gpu_h",
    stale_after_s=600.0,
    min=0.0,
    max=10.0,
    rises_persist_s=300.0,
    step_max_ratio=3.0,
    step_max=0.001,
    step_persist_s=1800.0,
)
POWER = QuoteRules(
    unit="usd_per_kwh",
    stale_after_s=7200.0,
    min=-1.0,
    max=10.0,
    cautious=Cautious.HIGH,
    rises_persist_s=300.0,
)
RULES = {"etc": REVENUE, "power": POWER}
TICK_S = 60.0


def said(value: float, at: float, *, source: str = "a", series: str = "etc") -> Observation:
    return Observation(series, source, value, at)


def after(
    *ticks: list[Observation], rules: dict[str, QuoteRules] = RULES, start: float = 0.0
) -> tuple[Book, float]:
    """The book after one tick a minute, and the instant of the last."""
    book, now = Book(), start
    for i, words in enumerate(ticks):
        now = start + i * TICK_S
        book = quotes.observe(book, rules, words, now)
    return book, now


def steady(
    values: list[float], *, series: str = "etc", source: str = "a"
) -> list[list[Observation]]:
    return [
        [said(value, i * TICK_S, series=series, source=source)] for i, value in enumerate(values)
    ]


def last(ticks: list[list[Observation]], series: str = "etc") -> Quote:
    book, now = after(*ticks)
    return quotes.quote(book, RULES, series, now)


def test_a_series_that_nobody_spoke_of_is_missing() -> None:
    quote = quotes.quote(Book(), RULES, "etc", 0.0)
    assert quote.state is QuoteState.MISSING
    assert quote.value is None


def test_the_first_value_must_hold_before_it_counts() -> None:
    assert last(steady([0.5] * 5)).state is QuoteState.MISSING
    quote = last(steady([0.5] * 6))
    assert (quote.state, quote.value) == (QuoteState.FRESH, 0.5)


@pytest.mark.parametrize(
    ("series", "before", "news", "counts_at_once"),
    [
        ("etc", 0.5, 0.4, True),
        ("etc", 0.5, 0.6, False),
        ("power", 0.10, 0.30, True),
        ("power", 0.10, 0.05, False),
        ("power", 0.02, -0.20, False),
        ("power", -0.20, 0.02, True),
    ],
)
def test_bad_news_counts_at_once_and_good_news_must_hold(
    series: str, before: float, news: float, counts_at_once: bool
) -> None:
    ticks = [before] * 10 + [news]
    assert last(steady(ticks, series=series), series).value == (news if counts_at_once else before)
    assert last(steady([*ticks, *[news] * 5], series=series), series).value == news


def test_good_news_that_breaks_off_starts_anew() -> None:
    ticks = [0.5] * 10 + [0.6] * 3 + [0.5] + [0.6] * 5
    assert last(steady(ticks)).value == 0.5
    assert last(steady([*ticks, 0.6])).value == 0.6


def test_a_rise_counts_as_far_as_it_has_held() -> None:
    ticks = [0.5] * 10 + [0.6, 0.7, 0.65, 0.8, 0.8, 0.8]
    assert last(steady(ticks)).value == 0.6
    assert last(steady([*ticks, 0.8])).value == 0.65


def test_silence_does_not_prove_a_rise() -> None:
    ticks = steady([0.5] * 10 + [0.6])
    book, now = after(*ticks)
    for _ in range(8):
        now += TICK_S
        book = quotes.observe(book, RULES, [], now)
    assert quotes.quote(book, RULES, "etc", now).value == 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.01, 10.01, 0.5e8, 500.0])
def test_what_is_no_price_is_refused_by_name_and_the_last_price_held(value: float) -> None:
    quote = last([*steady([0.5] * 10), [said(value, 600.0)]])
    assert (quote.state, quote.value) == (QuoteState.HELD, 0.5)
    for part in ("source a", f"{value:g}", "0 to 10", "usd_per_gpu_h"):
        assert part in quote.reason


@pytest.mark.parametrize("news", [0.6, 5.0, 0.05])
def test_what_is_said_again_after_a_silence_must_hold_anew(news: float) -> None:
    book, now = after(*steady([*[0.5] * 10, news]))
    now += REVENUE.step_persist_s + REVENUE.stale_after_s
    book = quotes.observe(book, RULES, [said(news, now)], now)
    assert quotes.quote(book, RULES, "etc", now).value in (0.5, None)


def test_a_source_leaves_quarantine_with_its_next_good_word() -> None:
    ticks = [*steady([0.5] * 10), [said(-1.0, 600.0)], [said(0.5, 660.0)]]
    assert last(ticks).state is QuoteState.FRESH


def test_held_ends_in_stale_without_a_value() -> None:
    book, now = after(*steady([0.5] * 10), [said(9e9, 600.0)])
    later = now + REVENUE.stale_after_s
    quote = quotes.quote(book, RULES, "etc", later)
    assert (quote.state, quote.value) == (QuoteState.STALE, None)
    assert "source a" in quote.reason


@pytest.mark.parametrize("at", [10_000.0, math.inf, math.nan])
def test_what_claims_to_come_from_the_future_is_refused(at: float) -> None:
    quote = last([*steady([0.5] * 10), [said(0.4, at)]])
    assert (quote.state, quote.value) == (QuoteState.HELD, 0.5)
    assert "ahead of now" in quote.reason


def test_a_clock_a_little_ahead_buys_no_freshness() -> None:
    book, now = after(*steady([0.5] * 10), [said(0.5, 600.0 + plausibility.AHEAD_S_MAX)])
    assert quotes.quote(book, RULES, "etc", now).at == now


def test_what_arrives_out_of_order_is_ignored() -> None:
    assert last([*steady([0.5] * 10), [said(0.2, 30.0)]]).value == 0.5


def test_of_two_words_for_one_instant_the_cautious_one_stands() -> None:
    words = [said(0.5, 600.0), said(0.4, 600.0), said(0.6, 600.0)]
    for order in itertools.permutations(words):
        assert last([*steady([0.5] * 10), list(order)]).value == 0.4


def test_negative_electricity_within_the_band_is_legal() -> None:
    quote = last(steady([-0.03] * 10, series="power"), "power")
    assert (quote.state, quote.value) == (QuoteState.FRESH, -0.03)


@pytest.mark.parametrize("value", [5.0, 0.0005])
def test_a_lone_large_step_is_doubted_until_it_has_been_repeated_long_enough(value: float) -> None:
    doubted = last(steady([0.5] * 10 + [value] * 30))
    assert (doubted.state, doubted.value) != (QuoteState.FRESH, value)
    assert "jumps" in doubted.reason
    persisted = 10 + int((REVENUE.step_persist_s + REVENUE.rises_persist_s) / TICK_S)
    assert last(steady([0.5] * 10 + [value] * persisted)).value == value


def test_a_large_step_that_a_second_source_confirms_is_no_fault() -> None:
    ticks = [
        [said(value, i * TICK_S, source=source) for source in "abc"]
        for i, value in enumerate([0.5] * 10)
    ]
    fall = [said(0.1, 600.0, source=source) for source in "ab"]
    assert last([*ticks, fall]).value == 0.1


def test_the_quorum_holds_the_price_until_enough_speak() -> None:
    rules = {"etc": QuoteRules(unit="x", stale_after_s=600.0, min=0.0, max=10.0, quorum=2)}
    two = [[said(0.5, i * TICK_S, source=s) for s in "ab"] for i in range(10)]
    one = [[said(0.1, i * TICK_S, source="a")] for i in range(10, 20)]
    book, now = after(*two, *one, rules=rules)
    assert quotes.quote(book, rules, "etc", now).value == 0.5
    book, now = after(*two, *one, [], rules=rules)
    assert quotes.quote(book, rules, "etc", now).state is QuoteState.HELD
    assert quotes.quote(book, rules, "etc", now).value == 0.5


def test_of_two_sources_one_alone_moves_nothing() -> None:
    ticks = [[said(0.5, i * TICK_S, source=s) for s in "ab"] for i in range(10)]
    for value in (0.3, 0.7):
        split = [
            [said(0.5, i * TICK_S), said(value, i * TICK_S, source="b")] for i in range(10, 30)
        ]
        assert last([*ticks, *split]).value == 0.5


def test_a_feed_that_invents_sources_is_bounded() -> None:
    words = [said(0.5, 0.0, source=f"s{i}") for i in range(1000)]
    book, _ = after(words)
    assert len(book.pages["etc"].readings) == plausibility.SOURCES_MAX


def test_a_steady_climb_is_bounded_in_memory() -> None:
    rules = {
        "etc": QuoteRules(unit="x", stale_after_s=600.0, min=0.0, max=1e9, rises_persist_s=1e9)
    }
    book, _ = after(*steady([float(i) for i in range(600)]), rules=rules)
    assert len(book.pages["etc"].levels) == quotes.LEVELS_MAX


def test_series_without_rules_are_left_out() -> None:
    book, _ = after([said(1.0, 0.0, series="gold")])
    assert "gold" not in book.pages


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40))
def test_one_source_of_three_never_moves_the_price(wild: list[float]) -> None:
    ticks = [
        [
            said(0.50, i * TICK_S, source="a"),
            said(0.51, i * TICK_S, source="b"),
            said(value, i * TICK_S, source="c"),
        ]
        for i, value in enumerate([0.505] * 10 + wild)
    ]
    book = Book()
    for i, words in enumerate(ticks):
        book = quotes.observe(book, RULES, words, i * TICK_S)
        value = quotes.quote(book, RULES, "etc", i * TICK_S).value
        assert value is None or 0.50 <= value <= 0.51


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.floats(-2.0, 12.0) | st.floats(),
            st.floats(-1000.0, 4000.0),
        ),
        max_size=20,
    ),
)
def test_a_quote_is_in_the_band_or_absent_and_input_order_is_irrelevant(
    words: list[tuple[str, float, float]],
) -> None:
    ticks = [
        [said(value, at, source=source) for source, value, at in words[i : i + 4]]
        for i in range(0, len(words), 4)
    ]
    book, now = after(*ticks, start=1000.0)
    mirrored, _ = after(*(list(reversed(tick)) for tick in ticks), start=1000.0)
    quote = quotes.quote(book, RULES, "etc", now)
    assert quote == quotes.quote(mirrored, RULES, "etc", now)
    assert quote.value is None or REVENUE.min <= quote.value <= REVENUE.max
    assert (quote.value is None) == (quote.state in (QuoteState.STALE, QuoteState.MISSING))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"min": 10.0}, "`min`"),
        ({"max": math.inf}, "finite"),
        ({"stale_after_s": 0.0}, "stale_after_s"),
        ({"quorum": 0}, "quorum"),
        ({"step_max_ratio": 1.0}, "step_max_ratio"),
        ({"step_max": 0.0}, "step_max"),
        ({"step_max": None}, "reaches zero"),
    ],
)
def test_rules_that_cannot_be_meant_are_named(
    changes: dict[str, float | int | None], named: str
) -> None:
    bad = replace(REVENUE, **changes)  # type: ignore[arg-type]
    assert any(named in problem for problem in plausibility.problems("etc", bad))
    assert not list(plausibility.problems("etc", REVENUE))

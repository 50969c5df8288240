"""What a silent tick leaves as it is, the whole calculation leaves as it is too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Observation
from controller.core.prices import quotes
from controller.core.prices.plausibility import Cautious, QuoteRules

RULES = QuoteRules(
    unit="usd",
    stale_after_s=100.0,
    min=-5.0,
    max=5.0,
    rises_persist_s=50.0,
    step_max=1.0,
    step_persist_s=60.0,
)
SOURCES = st.sampled_from(["one", "one", "one", "two"])
WORDS = st.none() | st.tuples(SOURCES, st.integers(-6, 6), st.integers(-40, 5))
STEPS_S = st.sampled_from([-200.0, -5.0, 0.0, 1.0, 30.0, 49.0, 60.0, 101.0])
"""How the clock moves between two ticks; it may be set back."""


@given(
    st.lists(st.tuples(STEPS_S, WORDS), max_size=30),
    st.sampled_from([RULES, replace(RULES, cautious=Cautious.HIGH), replace(RULES, quorum=2)]),
)
def test_a_shortcut_for_silence_changes_nothing(
    ticks: list[tuple[float, tuple[str, int, int] | None]], rule: QuoteRules
) -> None:
    page, now = quotes.Page(), 1000.0
    for step_s, said in ticks:
        now += step_s
        words = [] if said is None else [Observation("coin", said[0], said[1], now + said[2])]
        after = quotes._turn(page, rule, words, now)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(quotes, "_stands", lambda page, rule, now: False)
            assert after == quotes._turn(page, rule, words, now)
        page = after

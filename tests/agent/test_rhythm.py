"""How soon one looks again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.rhythm import PAUSE_MIN_S, SHARE, pause_s

SECONDS = st.floats(0.0, 1e6)


@given(SECONDS, st.floats(PAUSE_MIN_S, 60.0))
def test_a_look_comes_little_later_than_what_it_looks_for(
    waited_s: float, longest_s: float
) -> None:
    pause = pause_s(waited_s, longest_s)
    assert PAUSE_MIN_S <= pause <= longest_s
    assert pause <= max(PAUSE_MIN_S, SHARE * waited_s)


@given(SECONDS, SECONDS)
def test_who_waits_longer_looks_no_more_often(one_s: float, other_s: float) -> None:
    shorter_s, longer_s = sorted((one_s, other_s))
    assert pause_s(shorter_s, 1.0) <= pause_s(longer_s, 1.0)


def test_one_that_takes_a_minute_is_asked_seldom() -> None:
    waited_s, looks = 0.0, 0
    while waited_s < 60.0:
        waited_s += pause_s(waited_s, 1.0)
        looks += 1
    assert looks < 150

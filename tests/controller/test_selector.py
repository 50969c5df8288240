"""Selectors and durations: what operators write, and how they are told that it is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import duration, selector
from controller.core.model import GroupView
from controller.core.selector import SelectorError
from tests.controller.desk import view
from wire.model import Phase


def fleet() -> tuple[GroupView, ...]:
    return (
        view("rig-01", "g0", active="etc", labels={"row": "a"}),
        view("rig-01", "g1", active="llama", labels={"row": "a"}),
        view("rig-02", "g0", active=None, site="lagos", labels={"row": "b"}),
        view("rig-03", "g0", active="etc", phase=Phase.FAILED, site="lagos"),
        replace(view("rig-11", "g0", active="etc", rig_class="h100"), online=False),
        replace(view("rig-12", "g0", active="etc", rig_class="h100"), status=None),
    )


def chosen(text: str) -> list[str]:
    return [str(found.key) for found in selector.select(text, fleet())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ["rig-01/g0", "rig-01/g1", "rig-02/g0", "rig-03/g0", "rig-11/g0", "rig-12/g0"]),
        ("rig-01", ["rig-01/g0", "rig-01/g1"]),
        ("rig-01/g1", ["rig-01/g1"]),
        ("rig-0*/g0", ["rig-01/g0", "rig-02/g0", "rig-03/g0"]),
        ("rig-1?", ["rig-11/g0", "rig-12/g0"]),
        ("rig-02|rig-03", ["rig-02/g0", "rig-03/g0"]),
        ("site=lagos", ["rig-02/g0", "rig-03/g0"]),
        ("site != lagos , class = rtx4090", ["rig-01/g0", "rig-01/g1"]),
        ("site in (oslo, lagos), state=off", ["rig-02/g0"]),
        ("state=mining|inference", ["rig-01/g0", "rig-01/g1", "rig-11/g0"]),
        ("state=unknown", ["rig-12/g0"]),
        ("kind=inference", ["rig-01/g1"]),
        ("phase=failed", ["rig-03/g0"]),
        ("workload=etc,rig-0*", ["rig-01/g0", "rig-03/g0"]),
        ("workload=off", ["rig-02/g0"]),
        ("workload=unknown", ["rig-12/g0"]),
        ("online=false", ["rig-11/g0"]),
        ("row=a", ["rig-01/g0", "rig-01/g1"]),
        ("row!=a,online=true,rig-0*", ["rig-02/g0", "rig-03/g0"]),
        ("group=g1", ["rig-01/g1"]),
    ],
)
def test_a_selector_chooses_these_groups(text: str, expected: list[str]) -> None:
    assert chosen(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "expected a rig"),
        ("site=oslo,", 11, "expected a rig"),
        ("site=", 6, "expected a value for site"),
        ("site=oslo state=mining", 11, "expected `,`"),
        ("colour=red", 1, "unknown key 'colour'; known are: rig, group"),
        ("site=oslo,stat=mining", 11, "unknown key 'stat'"),
        ("state=minning", 7, "one of: mining, inference, off"),
        ("online=yes", 8, "one of: true, false"),
        ("site in oslo", 9, "expected `(`"),
        ("site in (oslo", 14, "or `)`"),
        ("rig-01,rig-02", 8, "join names with `|`"),
        ("rig-01/", 8, "name of a GPU group"),
        ("rig 01", 5, "expected `,`"),
        ("site==oslo", 6, "expected a value"),
    ],
)
def test_an_error_points_at_the_column(text: str, column: int, words: str) -> None:
    with pytest.raises(SelectorError) as caught:
        selector.parse(text)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(f"column {column}: ")
    assert words in first
    assert (shown, pointer) == (f"  {text}", "  " + " " * (column - 1) + "^")


def test_unknown_keys_name_the_labels_of_the_inventory() -> None:
    with pytest.raises(SelectorError, match="row"):
        selector.select("colour=red", fleet())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("site=paris", "site is one of: lagos, oslo"),
        ("rig-77", "the groups are: rig-01/g0, rig-01/g1"),
        ("site=lagos,state=mining", "never all of them together"),
    ],
)
def test_an_empty_match_is_an_error_that_says_what_there_is(text: str, words: str) -> None:
    with pytest.raises(SelectorError, match="matches none of 6 GPU groups") as caught:
        selector.select(text, fleet())
    assert words in str(caught.value)


def test_an_empty_fleet_matches_nothing() -> None:
    with pytest.raises(SelectorError, match="none of 0 GPU groups"):
        selector.select("*", ())


def test_a_selector_has_a_longest_length() -> None:
    with pytest.raises(SelectorError, match="longer than"):
        selector.parse("a" * (selector.TEXT_CHARS_MAX + 1))


@given(st.text(alphabet="abrig-01/*=!,|() instate", max_size=30))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    message = ""
    try:
        selector.parse(text)
    except SelectorError as error:
        message = str(error)
    assert message == "" or message.startswith("column ")


def test_switching_groups_are_neither_mining_nor_off() -> None:
    moving = view("rig-01", "g0", active="etc", phase=Phase.DRAINING)
    assert selector.state(moving) == "switching"
    assert selector.select("kind=mining", (moving,)) == (moving,)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259_200), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "-1h", "30m1h", "1h1h", "2w", "1e3s", "٣h"])
def test_what_is_no_duration_is_told_so(text: str) -> None:
    with pytest.raises(duration.DurationError, match="such as 90s, 30m, 2h or 3d"):
        duration.parse(text)


@given(st.integers(min_value=1, max_value=59 + 60 * 59))
def test_short_durations_survive_a_round_trip(seconds: int) -> None:
    assert duration.parse(duration.show(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-5, "0s"), (90_061, "1d1h"), (7200, "2h"), (59.6, "1m")]
)
def test_durations_are_shown_short(seconds: float, text: str) -> None:
    assert duration.show(seconds) == text

"""Whatever a source sends, a feed says finite numbers, or why it says nothing."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.feeds import catalogue, documents, provided
from controller.feeds.answering import Answers
from controller.feeds.documents import DocumentError
from controller.feeds.request import quoted
from controller.feeds.settings import (
    AnswerSettings,
    DocumentFormat,
    FieldSettings,
    ProviderFeedSettings,
    Text,
    TimeFormat,
)
from controller.ports import FeedError
from tests.controller.test_feeds_providers import ANSWERS, CASES, entry
from wire.configfile import ConfigError

NOW = 1_773_490_200.0
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1e400", "-0"])
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["r", "p", "a", "u"]), inner)
    ),
    max_leaves=12,
)
FIELDS = [
    FieldSettings(series="s", unit="usd", path="p"),
    FieldSettings(series="s", unit="usd", path="p", at_path="a"),
    FieldSettings(series="s", unit="usd", rows="r", path="p", at_path="a", until_path="u"),
    FieldSettings(
        series="s", unit="usd", rows="[]", path="p", at_path="a", at_format=TimeFormat.EPOCH_MS
    ),
    FieldSettings(
        series="s",
        unit="usd",
        rows="r",
        path="p",
        at_path="a",
        at_pattern="%Y-%m-%dT%H:%M:%SZ",
        at_zone="Europe/Oslo",
        at_shift_s=-3600,
        holds_s=1e9,
    ),
]


def said(answers: Answers) -> None:
    found, fault = [], "none"
    try:
        found = answers.said(NOW, "it")
    except FeedError as error:
        fault = str(error)
    assert fault
    assert "\n" not in fault
    assert all(math.isfinite(each.value) and math.isfinite(each.at) for each in found)
    answers.announced(NOW)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.rows}-{field.at_pattern}")
@given(document=DOCUMENTS)
def test_any_document(field: FieldSettings, document: object) -> None:
    answers = Answers(AnswerSettings(name="it", fields=(field,)), None, quote=quoted)
    answers.take(document, NOW)
    said(answers)


@pytest.mark.parametrize("form", DocumentFormat)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes(form: DocumentFormat, body: bytes) -> None:
    with suppress(DocumentError):
        documents.parse(body, form)


def _mutated(document: Any, leaf: object, path: list[int]) -> Any:
    """The document with one place in it replaced."""
    if not path or not isinstance(document, list | dict) or not document:
        return leaf
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = keys[path[0] % len(keys)]
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = _mutated(document[key], leaf, path[1:])
    return copy


JSON_CASES = [case for case in CASES if case.answer.endswith(".json")]


@given(
    case=st.sampled_from(JSON_CASES),
    leaf=DOCUMENTS,
    path=st.lists(st.integers(0, 30), max_size=6),
)
def test_any_change_of_a_providers_answer(case: Any, leaf: object, path: list[int]) -> None:
    settings = provided.feed(entry(case), KNOWN)
    answers = Answers(settings, None, quote=quoted)
    document = json.loads((ANSWERS / case.answer).read_bytes())
    answers.take(_mutated(document, leaf, path), NOW)
    said(answers)


KNOWN = catalogue.load()


@given(text=st.text(max_size=40))
def test_any_parameter_is_refused_or_harmless(text: str) -> None:
    given_entry = ProviderFeedSettings(
        provider="vastai", series="s", parameters={"gpu": text, "key": Text(env="K")}
    )
    try:
        feed = provided.feed(given_entry, KNOWN)
    except ConfigError:
        return
    path = feed.fields[0].path
    assert path == f"gpus[?gpu_name=='{text}'] | [0].price_median"
    assert not set("'\\`\"") & set(text)

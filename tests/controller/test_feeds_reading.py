"""How answers are read: formats, lists of prices, local clocks, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.core.model import Observation
from controller.feeds import answering, documents
from controller.feeds.answering import Answers
from controller.feeds.documents import DocumentError
from controller.feeds.fields import Fields
from controller.feeds.request import quoted
from controller.feeds.settings import AnswerSettings, DocumentFormat, FieldSettings, TimeFormat
from controller.ports import FeedError

ANSWERS = Path(__file__).parents[1] / "answers" / "feeds"
HOUR = 3600.0
PRICE = FieldSettings(
    series="power",
    unit="usd_per_kwh",
    rows="rows",
    path="price",
    at_path="at",
    at_format=TimeFormat.EPOCH_S,
    holds_s=HOUR,
)
NORD_POOL = FieldSettings(
    series="power",
    unit="eur_per_mwh",
    rate_usd=1.0,
    rows="[]",
    path='"NO1 (EUR)"',
    at_path='"Delivery Start (CET)"',
    at_pattern="%d.%m.%Y %H:%M:%S",
    at_zone="Europe/Oslo",
    holds_s=HOUR,
)


def answers(field: FieldSettings = PRICE, **changes: Any) -> Answers:
    return Answers(AnswerSettings(name="it", fields=(field,), **changes), None, quote=quoted)


def rows(*prices: tuple[float, object]) -> dict[str, object]:
    return {"rows": [{"at": at, "price": price} for at, price in prices]}


def said(document: object, now: float, field: FieldSettings = PRICE) -> list[Observation]:
    known = answers(field)
    known.take(document, now)
    return known.said(now, "it")


def told(document: object, now: float, field: FieldSettings = PRICE) -> str:
    with pytest.raises(FeedError) as fault:
        said(document, now, field)
    return str(fault.value)


def test_of_a_list_the_row_that_holds_now_counts_in_any_order() -> None:
    day = rows((2 * HOUR, 0.3), (0.0, 0.1), (HOUR, -0.2), (3 * HOUR, 0.4))
    assert said(day, HOUR) == [Observation("power", "it", -0.2, HOUR)]
    assert said(day, 2 * HOUR - 1) == [Observation("power", "it", -0.2, HOUR)]
    assert said(day, 2 * HOUR) == [Observation("power", "it", 0.3, 2 * HOUR)]


@pytest.mark.parametrize(
    ("document", "now", "message"),
    [
        (
            rows((HOUR, 1)),
            0.0,
            "`rows` has nothing for now; its first row begins 1970-01-01T01:00Z",
        ),
        (rows((0, 1)), HOUR, "`rows` has nothing for now; the row before ended 1970-01-01T01:00Z"),
        (rows((0, 1), (2 * HOUR, 1)), HOUR, "the row before ended 1970-01-01T01:00Z"),
        (rows((0, 1), (HOUR, "n/a")), HOUR, "the row before ended"),
        (rows((0, "n/a"), (HOUR, None)), 0.0, "`price` is no finite number but 'n/a'"),
        (rows((0, 1), (0, 2)), 0.0, "`rows` says two things about 1970-01-01T00:00Z"),
        (rows((1e29, 1)), 0.0, "its first row begins second 1e+29 since 1970"),
        (rows(), 0.0, "`rows` is an empty list"),
        ({}, 0.0, "`rows` is null or missing"),
        ({"rows": "many"}, 0.0, "`rows` is no list"),
        ({"rows": [[]] * 100_001}, 0.0, "`rows` is a list of 100001, more than 100000"),
    ],
)
def test_a_list_without_a_price_for_now_says_why(
    document: object, now: float, message: str
) -> None:
    assert message in told(document, now)


def test_a_row_that_is_no_price_is_told_before_its_time_comes() -> None:
    found, faults = Fields(AnswerSettings(name="it", fields=(PRICE,)), None).read(
        rows((0, 1), (HOUR, "n/a"), (2 * HOUR, None)), 0.0
    )
    assert len(found[0][1].points) == 1
    assert [fault.told(quoted) for fault in faults] == ["`price` is no finite number but 'n/a'"]


def test_announced_prices_outlive_a_silent_source_until_they_end() -> None:
    known = answers()
    known.take(rows((0.0, 0.1), (HOUR, 0.2)), 0.0)
    assert known.announced(0.0) == {"power": [(HOUR, 0.2)]}
    known.fail("it answered 503")
    assert known.said(HOUR + 1, "it") == [Observation("power", "it", 0.2, HOUR)]
    with pytest.raises(FeedError, match=r"it answered 503; `rows` has nothing for now"):
        known.said(2 * HOUR, "it")


def test_what_was_not_announced_is_not_said_again() -> None:
    known = answers(FieldSettings(series="power", unit="usd_per_kwh", path="p"))
    known.take({"p": 1}, 0.0)
    known.fail("it answered 503")
    with pytest.raises(FeedError, match="it answered 503"):
        known.said(1.0, "it")


def test_rows_without_an_end_hold_until_the_next() -> None:
    field = FieldSettings(series="power", unit="usd_per_kwh", rows="rows", path="price",
                          at_path="at", at_format=TimeFormat.EPOCH_S)  # fmt: skip
    assert said(rows((0.0, 0.1), (9 * HOUR, 0.2)), 8 * HOUR, field)[0].value == 0.1


def test_what_must_stand_there_is_looked_for_first() -> None:
    known = answers(expect={"unit": "EUR/MWh"})
    known.take({"unit": "EUR/kWh", **rows((0.0, 0.1))}, 0.0)
    with pytest.raises(FeedError, match=r"`unit` should be 'EUR/MWh', is 'EUR/kWh'"):
        known.said(0.0, "it")


def local(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_nord_pool_file_is_read_by_its_local_clock_and_comma() -> None:
    known = answers(NORD_POOL, format=DocumentFormat.CSV, delimiter=";", decimal_comma=True)
    settings = AnswerSettings(name="it", fields=(), format=DocumentFormat.CSV, delimiter=";")
    document = answering.parse(settings, (ANSWERS / "nordpool.csv").read_bytes())
    now = local("2026-03-14T12:10")
    known.take(document, now)
    (observation,) = known.said(now, "it")
    assert observation.value == pytest.approx(-0.00085)
    assert observation.at == local("2026-03-14T12:00")
    assert known.announced(now) == {"power": [(local("2026-03-14T13:00"), 0.0299)]}


def test_a_point_where_a_comma_belongs_is_no_number() -> None:
    known = answers(NORD_POOL, decimal_comma=True)
    known.take([{"Delivery Start (CET)": "14.03.2026 13:00:00", "NO1 (EUR)": "1.034,10"}], 0.0)
    with pytest.raises(FeedError, match=r"is no finite number but '1\.034,10'"):
        known.said(0.0, "it")


def test_the_hour_that_comes_twice_is_first_the_one_and_then_the_other() -> None:
    clocks = ["00", "01", "02", "02", "03", "04"]
    document = [
        {"Delivery Start (CET)": f"25.10.2026 {clock}:00:00", "NO1 (EUR)": str(number)}
        for number, clock in enumerate(clocks)
    ]
    begin = local("2026-10-24T22:00")
    found = [said(document, begin + hour * HOUR, NORD_POOL)[0].value for hour in range(6)]
    assert found == [pytest.approx(number / 1000) for number in range(6)]


def test_the_hour_that_comes_twice_is_told_apart_even_if_one_price_is_missing() -> None:
    document = [
        {"Delivery Start (CET)": "25.10.2026 02:00:00", "NO1 (EUR)": "-"},
        {"Delivery Start (CET)": "25.10.2026 02:00:00", "NO1 (EUR)": "7"},
    ]
    assert said(document, local("2026-10-25T01:00"), NORD_POOL)[0].value == pytest.approx(0.007)
    assert "its first row begins 2026-10-25T01:00Z" in told(
        document, local("2026-10-25T00:59"), NORD_POOL
    )


def test_the_hour_that_is_left_out_leaves_no_gap() -> None:
    document = [
        {"Delivery Start (CET)": f"29.03.2026 {clock}:00:00", "NO1 (EUR)": clock}
        for clock in ("00", "01", "03", "04")
    ]
    begin = local("2026-03-28T23:00")
    found = [said(document, begin + hour * HOUR, NORD_POOL)[0].value for hour in range(4)]
    assert found == [pytest.approx(number / 1000) for number in (0, 1, 3, 4)]


def test_csv_is_a_list_of_objects() -> None:
    body = "\ufeffa, b\n1, x\n\n2,y\n".encode()
    assert documents.parse(body, DocumentFormat.CSV) == [
        {"a": "1", "b": "x"},
        {"a": "2", "b": "y"},
    ]


def test_xml_is_objects_and_lists() -> None:
    body = b'<a xmlns="urn:x"><b c="1">2</b><b/><d> 3 </d></a>'
    assert documents.parse(body, DocumentFormat.XML) == {
        "b": [{"c": "1", "text": "2"}, {}],
        "d": [{"text": "3"}],
    }


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
FETCH = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
PERIOD = (
    "<Publication><TimeSeries><Period><start>2026-01-01T00:00Z</start>"
    "<end>{end}</end><resolution>{step}</resolution><Point><position>{position}</position>"
    "<price.amount>1</price.amount></Point></Period></TimeSeries></Publication>"
)


def period(end: str = "2026-01-01T02:00Z", step: str = "PT60M", position: str = "1") -> bytes:
    return PERIOD.format(end=end, step=step, position=position).encode()


@pytest.mark.parametrize(
    ("form", "body", "what"),
    [
        (DocumentFormat.XML, BOMB, "XML with a DOCTYPE, which is refused"),
        (DocumentFormat.XML, FETCH, "XML with a DOCTYPE, which is refused"),
        (DocumentFormat.IEC62325, BOMB, "XML with a DOCTYPE, which is refused"),
        (DocumentFormat.XML, b"<a>&b;</a>", "broken XML"),
        (DocumentFormat.XML, b"<a>", "broken XML"),
        (DocumentFormat.XML, b"", "broken XML"),
        (DocumentFormat.XML, b"<a>" * 200_000, "broken XML"),
        (DocumentFormat.CSV, b"<html>", "broken CSV"),
        (DocumentFormat.CSV, b"", "broken CSV"),
        (DocumentFormat.CSV, b"a,b\n1\n", "broken CSV"),
        (DocumentFormat.CSV, b"\xff", "broken CSV"),
        (DocumentFormat.CSV, b'a\n"1', "broken CSV"),
        (DocumentFormat.IEC62325, b"<html/>", "broken XML"),
        (DocumentFormat.IEC62325, period(end="2026-01-01T00:00Z"), "broken XML"),
        (DocumentFormat.IEC62325, period(end="9026-01-01T00:00Z"), "broken XML"),
        (DocumentFormat.IEC62325, period(end="soon"), "broken XML"),
        (DocumentFormat.IEC62325, period(step="P1M"), "broken XML"),
        (DocumentFormat.IEC62325, period(step="PT0M"), "broken XML"),
        (DocumentFormat.IEC62325, period(position="3"), "broken XML"),
        (DocumentFormat.IEC62325, period(position="x"), "broken XML"),
    ],
)
def test_what_is_not_the_format_is_refused(form: DocumentFormat, body: bytes, what: str) -> None:
    with pytest.raises(DocumentError) as refused:
        documents.parse(body, form)
    assert refused.value.what == what


def test_a_position_that_is_left_out_repeats_the_price_before_it() -> None:
    document = documents.parse(period(), DocumentFormat.IEC62325)
    assert isinstance(document, list)
    assert [(row["at"], row["price"]) for row in document] == [
        ("2026-01-01T00:00:00+00:00", "1"),
        ("2026-01-01T01:00:00+00:00", "1"),
    ]
    late = documents.parse(period(position="2"), DocumentFormat.IEC62325)
    assert isinstance(late, list)
    assert [row["price"] for row in late] == [None, "1"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("text/html", "text/html, not XML"),
        ("application/xml", "broken XML"),
        ("", "broken XML"),
    ],
)
def test_another_media_type_is_named(kind: str, what: str) -> None:
    settings = AnswerSettings(name="it", fields=(), format=DocumentFormat.XML)
    with pytest.raises(DocumentError) as refused:
        answering.parse(settings, b"<p>Blocked", kind)
    assert refused.value.what == what

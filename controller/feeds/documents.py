"""Bytes of an answer become a document of objects, lists, texts and numbers; or a clear no.

XML is read without documents types, hence without entities: what could swell or fetch is refused.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from controller.feeds import market_document
from controller.feeds.settings import DocumentFormat

TITLES = {
    DocumentFormat.JSON: "JSON",
    DocumentFormat.CSV: "CSV",
    DocumentFormat.XML: "XML",
    DocumentFormat.IEC62325: "XML",
}
"""What people call each format; media types hold the same word in small letters."""


class DocumentError(Exception):
    """An answer is not what its format demands; the text completes `answered …`."""

    def __init__(self, what: str, text: str = "") -> None:
        """`text` is foreign, to be quoted: what the source says about it itself."""
        super().__init__(what)
        self.what = what
        self.text = text


def parse(body: bytes, form: DocumentFormat, *, delimiter: str = ",") -> object:
    """The document that `body` holds.

    Args:
        body: All of the answer.
        form: How the source writes.
        delimiter: CSV: what stands between cells.

    Raises:
        DocumentError: It is something else, or a refusal.
    """
    try:
        match form:
            case DocumentFormat.JSON:
                return json.loads(body)
            case DocumentFormat.CSV:
                return _table(body.decode("utf-8-sig"), delimiter)
            case DocumentFormat.XML:
                return _plain(_root(body))
            case DocumentFormat.IEC62325:
                return market_document.rows(_root(body))
    except market_document.RefusedError as error:
        raise DocumentError("a refusal", str(error)) from None
    except _DoctypeError:
        raise DocumentError("XML with a DOCTYPE, which is refused") from None
    except (ValueError, OverflowError, RecursionError, ParseError, csv.Error):
        raise DocumentError(f"broken {TITLES[form]}") from None


def _table(text: str, delimiter: str) -> list[dict[str, str]]:
    """Rows by the names in the first line. Raises `ValueError`, `csv.Error`."""
    if text.lstrip()[:1] in ("<", "{"):
        raise ValueError("markup, no table")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = [row for row in reader if row]
    if not rows:
        raise ValueError("no line of names")
    names = [name.strip() for name in rows[0]]
    return [
        dict(zip(names, (cell.strip() for cell in row), strict=True))
        for row in rows[1:]
        if any(cell.strip() for cell in row)
    ]


class _DoctypeError(Exception):
    """A document type could declare entities, which swell or fetch."""


class _Builder(TreeBuilder):
    """Builds elements and nothing else."""

    def doctype(self, *_: str | None) -> None:
        raise _DoctypeError


def _root(body: bytes) -> Element:
    """Raises `ParseError`, `_DoctypeError`."""
    parser = XMLParser(target=_Builder())  # noqa: S314 - document types, hence entities, are refused
    parser.feed(body)
    root: Element = parser.close()
    return root


def _plain(element: Element) -> dict[str, Any]:
    """An element as an object: attributes, children by local name in lists, and its text."""
    plain: dict[str, Any] = dict(element.attrib)
    for child in element:
        plain.setdefault(market_document.local(child), []).append(_plain(child))
    if text := (element.text or "").strip():
        plain["text"] = text
    return plain

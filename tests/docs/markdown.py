"""What a Markdown document links to, and what can be linked to in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


def links(document: Path) -> Iterator[str]:
    """Targets of links and images, in order."""
    for token in _tokens(document):
        target = token.attrs.get({"link_open": "href", "image": "src"}.get(token.type, ""))
        if target is not None:
            yield str(target)


def code(document: Path) -> Iterator[str]:
    """Code spans and code blocks."""
    for token in _tokens(document):
        if token.type in ("code_inline", "code_block", "fence"):
            yield token.content


@cache
def anchors(document: Path) -> frozenset[str]:
    """What may follow `#` in a link to this document, by the rules of the usual forges."""
    tokens = tuple(_tokens(document))
    found = set(ANCHOR.findall(document.read_text(encoding="utf-8")))
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            slug = _slug(_plain(inline))
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return frozenset(found)


def _tokens(document: Path) -> Iterator[Token]:
    parser = MarkdownIt("commonmark").enable("table")
    for token in parser.parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def _plain(inline: Token) -> str:
    shown = ("text", "code_inline")
    return "".join(token.content for token in inline.children or () if token.type in shown)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")

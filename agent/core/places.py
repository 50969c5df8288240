"""Where a pool is, read out of what a miner was told, by every reading that a miner may have.

A text that could be read in two ways names both places: whoever plays tricks with `@`, `#` or a
backslash must not win by our parser and his disagreeing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SCHEME = re.compile(r"(?:\[\d+\])?(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_END = re.compile(r"[/?#\\]")
_PORT = re.compile(r"(?P<host>.*?)(?::(?P<port>\d{1,5}))?", re.DOTALL)

POOL_URL = re.compile(
    r"(?:stratum\d?|ethproxy|ethstratum\w*|ethash|kawpow|zil|daemon|nicehash|miner)"
    r"(?:\d?\+\w+)*://[^\s\"'<>,;|]+",
    re.IGNORECASE,
)
"""A URL that only a pool has."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host, in lower case and without the dot of the root, and a port if one was named."""

    host: str
    port: int | None = None

    def within(self, approved: Place, *, portless: bool = False) -> bool:
        """Whether it is this approved place; one approved without a port is so on all of them.

        `portless`: it was told by somebody who may leave the port out.
        """
        unknown = portless and self.port is None
        return self.host == approved.host and (
            approved.port is None or unknown or self.port == approved.port
        )

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def places(text: str) -> tuple[Place, ...]:
    """Every place that `text` could mean; empty for a blank one."""
    rest = _rest(text)
    return tuple(dict.fromkeys(_place(candidate) for candidate in _candidates(rest) if candidate))


def accounts(text: str) -> tuple[str, ...]:
    """The accounts that stand before the host in a URL."""
    before, at, _ = _rest(text).rpartition("@")
    return (before,) if at and before else ()


def _rest(text: str) -> str:
    text = text.strip()
    scheme = _SCHEME.match(text)
    return text[scheme.end() :] if scheme else text


def _candidates(rest: str) -> Iterator[str]:
    """By the standard the host ends at `/`, `?` or `#`; others take what follows the last `@`."""
    standard = _END.split(rest, maxsplit=1)[0]
    yield standard.rpartition("@")[2]
    yield _END.split(rest.rpartition("@")[2], maxsplit=1)[0]


def _place(text: str) -> Place:
    match = _PORT.fullmatch(text)
    assert match is not None, "it matches anything"
    host = match["host"].strip("[]").rstrip(".").lower()
    return Place(host, int(match["port"]) if match["port"] else None)

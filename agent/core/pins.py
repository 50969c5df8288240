"""Whether what was found of a workload pays somebody else: a pure judgement over strings.

The shell collects evidence (arguments, environments, files, units, containers, answers of APIs);
here it is read by the miner's own options, by names that mean a wallet or a pool wherever they
stand, and by shapes that can be nothing else. Nothing is decided by what is absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from agent.core import addresses, options, places
from agent.core.options import Options

FINDINGS_MAX = 8
"""Told at once; one is enough to stop a workload."""

_OWNER = r"(?:(?:mining|miner|main|default|custom|hive|backup|failover|dual)[_-])?"
_WALLET_NAME = re.compile(
    _OWNER + r"(?:wallet(?:[_-]?addr(?:ess)?)?|payout[_-]address|template)\d*"
)
_POOL_NAME = re.compile(_OWNER + r"(?:pool(?:[_-](?:url|host|address))?|stratum)\d*|custom[_-]url")
_SEPARATORS = re.compile(r"[;!,\s]+")
_AFTER_WALLET = (".", "/", "+", "#", ":")
"""A worker, an e-mail, a difficulty or a password may follow the wallet."""

_HIDDEN = ("...", "…", "*")
"""A miner that shows a shortened account says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What a workload may pay to, and where it may work. An empty list checks nothing."""

    wallets: tuple[str, ...] = ()
    """As a miner is given them, without the worker."""
    pools: tuple[str, ...] = ()
    """`host:port`, or `host` for all its ports."""

    def over(self, rig: Pins) -> Pins:
        """These, and the rig's where there are none."""
        return Pins(wallets=self.wallets or rig.wallets, pools=self.pools or rig.pools)

    def __bool__(self) -> bool:
        return bool(self.wallets or self.pools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Strings of one origin."""

    where: str
    """Completes "found in …"."""
    arguments: tuple[str, ...] = ()
    """A command line."""
    variables: tuple[tuple[str, str], ...] = ()
    """An environment: there only telling names count, for `USER` is nobody's wallet."""
    fields: tuple[tuple[str, str], ...] = ()
    """Keys and values of a configuration or an answer."""
    texts: tuple[str, ...] = ()
    portless: bool = False
    """Whoever says this may leave a pool's port out."""
    unexpanded: bool = False
    """`$NAME` in it stands for something else, which is seen once the program runs."""


class Finding(NamedTuple):
    """A wallet or pool that nobody approved."""

    kind: str
    """`wallet` or `pool`."""
    what: str
    """A wallet is masked."""
    where: str

    def __str__(self) -> str:
        return f"unapproved {self.kind} {self.what} in {self.where}"


def violations(
    evidence: Iterable[Evidence], pins: Pins, known: Options | None
) -> tuple[Finding, ...]:
    """What is not approved, each thing once.

    Args:
        evidence: All that was found of one workload.
        pins: What is approved.
        known: The miner's own options. ``None`` for programs that do not mine: there names mean
            nothing, and only what can be nothing else than a wallet or a pool counts.
    """
    found: dict[Finding, None] = {}
    for each in evidence:
        if pins.pools:
            found |= dict.fromkeys(_pools(each, pins, known))
        if pins.wallets:
            found |= dict.fromkeys(_wallets(each, pins, known))
    return tuple(found)[:FINDINGS_MAX]


def _pools(each: Evidence, pins: Pins, known: Options | None) -> Iterator[Finding]:
    approved = [place for text in pins.pools for place in places.places(text)]
    for told in _pool_texts(each, known):
        for place in places.places(told):
            if not any(place.within(one, portless=each.portless) for one in approved):
                yield Finding("pool", str(place), each.where)


def _pool_texts(each: Evidence, known: Options | None) -> Iterator[str]:
    if known is not None:
        named = _named(each, _POOL_NAME, known.pool_keys)
        for text in (*options.pools(each.arguments, known), *named):
            yield from _parts(text, each)
    for text in _all(each):
        yield from places.POOL_URL.findall(text)


def _wallets(each: Evidence, pins: Pins, known: Options | None) -> Iterator[Finding]:
    for text in _accounts(each, known):
        hidden = any(mark in text for mark in _HIDDEN)
        if not hidden and not any(_pays(text, wallet) for wallet in pins.wallets):
            yield Finding("wallet", addresses.masked(text), each.where)
    for text in _all(each):
        for wallet in addresses.wallets(text):
            if not any(_is_of(wallet, one) for one in pins.wallets):
                yield Finding("wallet", addresses.masked(wallet), each.where)


def _accounts(each: Evidence, known: Options | None) -> Iterator[str]:
    if known is not None:
        named = _named(each, _WALLET_NAME, known.wallet_keys)
        for text in (*options.wallets(each.arguments, known), *named):
            yield from _parts(text, each)
    for url in _pool_texts(each, known):
        yield from places.accounts(url)


def _named(each: Evidence, name: re.Pattern[str], keys: frozenset[str]) -> Iterator[str]:
    """Values of names that mean the thing."""
    for key, text in each.variables:
        if name.fullmatch(key.lower()):
            yield text
    for key, text in each.fields:
        if key.lower() in keys or name.fullmatch(key.lower()):
            yield text


def _all(each: Evidence) -> Iterator[str]:
    yield from each.arguments
    for _, text in (*each.variables, *each.fields):
        yield text
    yield from each.texts


def _parts(text: str, each: Evidence) -> Iterator[str]:
    """Some options hold several, for several algorithms or for a failover."""
    parts = (part.strip("\"'") for part in _SEPARATORS.split(text))
    return (part for part in parts if part and not (each.unexpanded and "$" in part))


def _pays(account: str, wallet: str) -> bool:
    """Whether an account is the wallet, alone or with a worker after it, never before it."""
    head, rest = account[: len(wallet)], account[len(wallet) :]
    return addresses.same(head, wallet) and (not rest or rest.startswith(_AFTER_WALLET))


def _is_of(found: str, wallet: str) -> bool:
    """A pinned `coin:ADDRESS` approves its address too."""
    return addresses.same(found, wallet) or addresses.same(found, wallet.rpartition(":")[2])

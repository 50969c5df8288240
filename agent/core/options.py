"""Options of a miner's command line that name a wallet or a pool, as miners read them.

Written `--user X`, `--user=X`, `-user X`, shortened as GNU programs allow (`--us X`), or as one
letter with its value glued to it (`-uX`). Which options there are is for the table of miners.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SHORTENED_MIN = 3
"""Dashes included: below that an abbreviation is always ambiguous."""

_GLUED_MIN = 8
"""Characters of a value without a blank before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of one miner."""

    wallets: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    """Where a pool's port has an option of its own."""
    files: tuple[str, ...] = ()
    """Names that it looks for beside itself when it is given no pool."""

    @property
    def wallet_keys(self) -> frozenset[str]:
        """The same names as keys of a configuration file."""
        return _keys(self.wallets)

    @property
    def pool_keys(self) -> frozenset[str]:
        """The same names as keys of a configuration file."""
        return _keys(self.pools)


def wallets(arguments: Sequence[str], known: Options) -> Iterator[str]:
    """Every value of an option that names a wallet."""
    return _values(arguments, known.wallets)


def pools(arguments: Sequence[str], known: Options) -> Iterator[str]:
    """Every value of an option that names a pool, with its port where that stands apart."""
    ports = tuple(_values(arguments, known.ports))
    for value in _values(arguments, known.pools):
        if ports and not value.rpartition(":")[2].isdecimal():
            yield from (f"{value}:{port}" for port in ports)
        else:
            yield value


def _values(arguments: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if _names(option, names):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            told = value if equals else following
            if told and not told.startswith("-"):
                yield told
        else:
            yield from _glued(argument, names)


def _names(option: str, names: Sequence[str]) -> bool:
    if option in names or (len(option) > 2 and f"-{option}" in names):
        return True
    if not option.startswith("--") or len(option) < _SHORTENED_MIN:
        return False
    return any(name.startswith(option.lower()) for name in names)


def _glued(argument: str, names: Sequence[str]) -> Iterator[str]:
    letter, value = argument[:2], argument[2:]
    single = letter.startswith("-") and letter != "--" and value and letter in names
    # `-pl` is another option; wallets and pools are long.
    if len(value) < _GLUED_MIN:
        return
    # `-user X` is a long option with one dash, not `-u` with the value "ser".
    if single and f"-{argument}" not in names and argument not in names:
        yield value.removeprefix("=")


def _keys(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lstrip("-").lower() for name in names if len(name.lstrip("-")) > 1)

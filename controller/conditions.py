"""Conditions in CEL: compiled when a policy is read, judged against what is known now.

The only importer of the library. A condition cannot loop, call out or take long: its text is
short, and what CEL has for going through lists is refused. What cannot be told is false, and says
why; nothing here raises once a condition is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from celpy import Environment
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError
from lark import Token, Tree

from controller.core.farm import FarmSettings
from controller.core.model import GroupView, Quote
from controller.core.policy.signals import Reading
from controller.core.selector import state

CHARS_MAX = 500
"""A longer condition is several rules."""

DEPTH_MAX = 12
"""Brackets within brackets; the library descends for each."""

FUNCTIONS = frozenset({"bool", "double", "has", "int", "size"})
"""What a condition may call: nothing that repeats, matches patterns or reads a clock."""

FLEET = ("gpus", "online_gpus", "mining_gpus", "inference_gpus", "off_gpus", "failed_gpus")
"""What `fleet` knows."""

VARIABLES = ("quote", "hour", "weekday", "fleet")


class ConditionError(ValueError):
    """A condition that cannot be used; says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What conditions are judged against."""

    quote: Mapping[str, float] = field(default_factory=dict)
    """By series; those without a trusted value are absent."""
    hour: Mapping[str, int] = field(default_factory=dict)
    """By site: 0 to 23 on its clock."""
    weekday: Mapping[str, int] = field(default_factory=dict)
    """By site: 1 (Monday) to 7."""
    fleet: Mapping[str, int] = field(default_factory=dict)
    """GPUs of the fleet by what they do; see `FLEET`."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Series without a trusted value, and why."""


class Condition:
    """One condition, ready to be judged."""

    def __init__(self, text: str) -> None:
        """Raises `ConditionError`."""
        tree = _parsed(text)
        self.names = _names(tree)
        """What it asks for, by variable."""
        self._runner = _environment().program(tree)
        self._try()

    def read(self, facts: Facts) -> Reading:
        """Whether it is true now; what cannot be told counts as false, with the trouble."""
        activation = {name: json_to_cel(dict(getattr(facts, name))) for name in VARIABLES}
        try:
            said = self._runner.evaluate(activation)
        except (CELEvalError, RecursionError) as error:
            return Reading(False, self._trouble(facts, error))
        if not isinstance(said, BoolType):
            return Reading(False, "says a value that is neither true nor false")
        return Reading(bool(said))

    def _try(self) -> None:
        """Find now what would go wrong always: unknown words, kinds that cannot be compared."""
        asked = iter(range(2, 1_000))
        sample = {
            variable: {name: next(asked) for name in sorted(self.names.get(variable, ()))}
            for variable in VARIABLES
        }
        quote = {name: value + 0.5 for name, value in sample["quote"].items()}
        said = self.read(
            Facts(
                quote=quote,
                hour=sample["hour"],
                weekday=sample["weekday"],
                fleet=sample["fleet"],
            )
        )
        if said.trouble and "divide by zero" not in said.trouble:
            raise ConditionError(said.trouble)

    def _trouble(self, facts: Facts, error: Exception) -> str:
        lacking = sorted(self.names.get("quote", set()) & facts.missing.keys())
        if lacking:
            return "; ".join(f"no quote for {name}: {facts.missing[name]}" for name in lacking)
        said = str(error.args[0]) if error.args else type(error).__name__
        if said.startswith("found no matching overload"):
            return "compares things of different kinds, such as a number and a text"
        return said.partition(" (in activation")[0]


def facts(
    quotes: Mapping[str, Quote], farm: FarmSettings, views: Sequence[GroupView], now: float
) -> Facts:
    """What is known at `now`, epoch seconds."""
    at = {site.name: _local(site.time_zone, now) for site in farm.sites}
    values = {name: quote.value for name, quote in quotes.items()}
    return Facts(
        quote={name: value for name, value in values.items() if value is not None},
        hour={site: local.hour for site, local in at.items()},
        weekday={site: local.isoweekday() for site, local in at.items()},
        fleet=_fleet(views),
        missing={
            name: quote.reason or str(quote.state)
            for name, quote in quotes.items()
            if quote.value is None
        },
    )


def _local(zone: str, now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC if zone == "UTC" else ZoneInfo(zone))


def _fleet(views: Sequence[GroupView]) -> dict[str, int]:
    counted = dict.fromkeys(FLEET, 0)
    for view in views:
        gpus = len(view.offer.gpus)
        counted["gpus"] += gpus
        counted["online_gpus"] += gpus * view.online
        name = f"{state(view)}_gpus"
        if name in counted:
            counted[name] += gpus
    return counted


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Making one reads the grammar, which takes longer than compiling a condition."""
    return Environment()


def _parsed(text: str) -> Tree[Token]:
    if not text.strip():
        raise ConditionError("is empty")
    if len(text) > CHARS_MAX:
        raise ConditionError(f"is longer than {CHARS_MAX} characters; make several rules of it")
    if _depth(text) > DEPTH_MAX:
        raise ConditionError(f"has more than {DEPTH_MAX} brackets within brackets")
    try:
        tree: Tree[Token] = _environment().compile(text)
    except CELParseError as error:
        line, column = error.line or 1, error.column or 1
        where = f"column {column}" if "\n" not in text else f"its line {line}, column {column}"
        raise ConditionError(f"is no CEL at {where}: {_at(text, line, column)}") from error
    except RecursionError as error:
        raise ConditionError("is nested too deeply") from error
    for problem in _refused(tree):
        raise ConditionError(problem)
    return tree


def _at(text: str, line: int, column: int) -> str:
    lines = text.splitlines() or [""]
    rest = lines[min(line, len(lines)) - 1][max(0, column - 1) :]
    return f"`{rest}`" if rest else "something is missing at the end"


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{?") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _refused(tree: Tree[Token]) -> Iterator[str]:
    nodes = list(tree.iter_subtrees())
    if any(node.data in ("member_dot_arg", "dot_ident_arg") for node in nodes):
        yield "calls a method; conditions compare values and know no methods"
    for node in nodes:
        if node.data == "ident_arg" and str(node.children[0]) not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            yield f"calls `{node.children[0]}`; there are only {known}"
        if node.data == "ident" and str(node.children[0]) not in VARIABLES:
            known = ", ".join(VARIABLES)
            yield f"asks for `{node.children[0]}`; there are only {known}"
        if node.data == "member_index" and _literal(node.children[1]) is None:
            yield 'has an index that is no name; write quote["series"]'


def _names(tree: Tree[Token]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in tree.iter_subtrees():
        if node.data in ("member_dot", "member_index"):
            of, name = _tokens(node.children[0]), _literal(node.children[1])
            if len(of) == 1 and of[0] in VARIABLES and name is not None:
                found.setdefault(of[0], set()).add(name)
    return found


def _literal(node: Any) -> str | None:
    """A name that is written out, with or without quotes."""
    tokens = _tokens(node)
    if len(tokens) != 1:
        return None
    token = tokens[0]
    return token[1:-1] if token[:1] in "'\"" else token if isinstance(node, Token) else None


def _tokens(node: Any) -> list[str]:
    if isinstance(node, Token):
        return [str(node)]
    return [str(token) for token in node.scan_values(lambda value: isinstance(value, Token))]

"""Selectors: which GPU groups an operator means, as text such as `site=oslo,state=mining`.

A comma means AND; `|` gives alternatives; `*` and `?` stand for any text. A selector is judged
against views only; it reads no clock and asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from controller.core.model import GroupView
from wire.model import OFF, Kind, Phase

TEXT_CHARS_MAX = 1_000
"""A longer selector is a mistake."""

STATES = ("mining", "inference", "off", "switching", "failed", "unknown")
"""What a group is about, in one word; `unknown` until its rig has reported."""


class SelectorError(ValueError):
    """A selector that cannot be read or matches nothing; says where and what is allowed."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: the value of `key` matches one of the patterns, or none if negated."""

    key: str
    patterns: tuple[str, ...]
    negated: bool = False

    def matches(self, view: GroupView) -> bool:
        """Whether the condition holds for this group."""
        value = _value(view, self.key)
        return any(fnmatchcase(value, pattern) for pattern in self.patterns) != self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """All terms must hold."""

    text: str
    terms: tuple[Term, ...]

    def matches(self, view: GroupView) -> bool:
        """Whether this group is meant."""
        return all(term.matches(view) for term in self.terms)


def state(view: GroupView) -> str:
    """One of `STATES`."""
    status = view.status
    if status is None:
        return "unknown"
    if status.phase is Phase.FAILED:
        return "failed"
    if not status.phase.stable:
        return "switching"
    return "off" if status.active is None else _kind(view)


def _kind(view: GroupView) -> str:
    active = view.status.active if view.status else None
    kinds = {offer.name: offer.kind.value for offer in view.offer.workloads}
    return kinds.get(active or OFF, "none" if active is None else "unknown")


_BUILT_IN: Mapping[str, Callable[[GroupView], str]] = {
    "rig": lambda view: view.key.rig,
    "group": lambda view: view.key.group,
    "target": lambda view: str(view.key),
    "site": lambda view: view.site,
    "class": lambda view: view.rig_class,
    "state": state,
    "kind": _kind,
    "phase": lambda view: view.status.phase.value if view.status else "unknown",
    "workload": lambda view: (view.status.active if view.status else None) or OFF,
    "assigned": lambda view: view.assigned or OFF,
    "online": lambda view: str(view.online).lower(),
    "locked": lambda view: str(bool(view.status and view.status.lock)).lower(),
}
_CLOSED: Mapping[str, tuple[str, ...]] = {
    "state": STATES,
    "kind": (*Kind, "none", "unknown"),
    "phase": (*Phase, "unknown"),
    "online": ("true", "false"),
    "locked": ("true", "false"),
}
"""Keys with a fixed set of values: a misspelt one is an error and not an empty match."""


def parse(text: str, labels: Collection[str] = ()) -> Selector:
    """Read a selector; `labels` are the inventory's label keys. Raises `SelectorError`."""
    if len(text) > TEXT_CHARS_MAX:
        raise SelectorError(f"the selector is longer than {TEXT_CHARS_MAX} characters")
    return Selector(text, tuple(_Reader(text, labels).terms()))


def select(text: str, views: Sequence[GroupView]) -> tuple[GroupView, ...]:
    """The groups that `text` means, never none of them. Raises `SelectorError`."""
    selector = parse(text, sorted({key for view in views for key in view.labels}))
    chosen = tuple(view for view in views if selector.matches(view))
    if not chosen:
        why = _culprit(selector, views)
        raise SelectorError(f"{text!r} matches none of {len(views)} GPU groups{why}")
    return chosen


def _culprit(selector: Selector, views: Sequence[GroupView]) -> str:
    """Name the first term that no group meets, with the values that there are."""
    for term in selector.terms:
        if not any(term.matches(view) for view in views):
            known = sorted({_value(view, term.key) for view in views} - {""})
            name = "the groups are" if term.key == "target" else f"{term.key} is one of"
            return f"; {name}: {_list(known)}" if known else ""
    return "; each condition holds for some, but never all of them together"


def _value(view: GroupView, key: str) -> str:
    built_in = _BUILT_IN.get(key)
    return built_in(view) if built_in else view.labels.get(key, "")


def _list(values: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(values) - shown} more" if len(values) > shown else ""
    return ", ".join(values[:shown]) + more


_WORD = re.compile(r"[A-Za-z0-9_.:+*?-]+")
_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"!=|=|in(?=[\s(])")


class _Reader:
    """Walks over the text once and knows the column it is at."""

    def __init__(self, text: str, labels: Collection[str]) -> None:
        self._text = text
        self._labels = labels
        self._at = 0

    def terms(self) -> Iterator[Term]:
        named = False
        while True:
            self._skip()
            start = self._at
            term = self._term()
            if term.key == "target" and named:
                raise self._error(
                    start, "a comma means AND, and no group is on two rigs; join names with `|`"
                )
            named = named or term.key == "target"
            yield term
            self._skip()
            if self._at == len(self._text):
                return
            if not self._take(","):
                raise self._error(self._at, "expected `,` and another condition, or the end")

    def _term(self) -> Term:
        start = self._at
        word = self._word("expected a rig, `rig/group`, `*` or a condition like `site=oslo`")
        self._skip()
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            self._at = start
            return Term("target", tuple(self._joined("|", self._target)))
        self._check_key(word, start)
        self._at = operator.end()
        return Term(word, self._values(word, operator.group()), operator.group() == "!=")

    def _target(self) -> str:
        rig = self._word("expected the name of a rig")
        if not self._take("/"):
            return rig if rig == "*" else f"{rig}/*"
        return f"{rig}/{self._word('expected the name of a GPU group after `/`')}"

    def _values(self, key: str, operator: str) -> tuple[str, ...]:
        def value() -> str:
            self._skip()
            return self._value(key)

        if operator != "in":
            return tuple(self._joined("|", value))
        self._skip()
        if not self._take("("):
            raise self._error(self._at, "expected `(` after `in`, as in `site in (oslo,lagos)`")
        values = tuple(self._joined(",", value))
        self._skip()
        if not self._take(")"):
            raise self._error(self._at, "expected `,` and another value, or `)`")
        return values

    def _value(self, key: str) -> str:
        start = self._at
        value = self._word(f"expected a value for {key}")
        allowed = _CLOSED.get(key)
        if allowed and not any(fnmatchcase(known, value) for known in allowed):
            raise self._error(start, f"{key} is never {value!r}; it is one of: {_list(allowed)}")
        return value

    def _joined(self, mark: str, one: Callable[[], str]) -> Iterator[str]:
        yield one()
        self._skip()
        while self._take(mark):
            self._skip()
            yield one()
            self._skip()

    def _check_key(self, key: str, start: int) -> None:
        known = [*_BUILT_IN, *sorted(set(self._labels) - set(_BUILT_IN))]
        if key not in known:
            raise self._error(start, f"unknown key {key!r}; known are: {_list(known, shown=40)}")

    def _word(self, otherwise: str) -> str:
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise self._error(self._at, otherwise)
        self._at = match.end()
        return match.group()

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) * found
        return found

    def _error(self, at: int, what: str) -> SelectorError:
        pointer = f"\n  {self._text}\n  {' ' * at}^"
        return SelectorError(f"column {at + 1}: {what}{pointer}")

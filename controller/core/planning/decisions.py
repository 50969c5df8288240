"""The decisions of a plan by key, put into words when somebody looks.

Groups that are alike share all but their key, so there are far fewer texts than groups. A plan is
made many times for each time that all of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from controller.core.model import Decision, GroupKey
from controller.core.planning import explanation
from controller.core.planning.verdict import Verdict


class Decisions(Sequence[Decision]):
    """As many decisions as keys; equal to any sequence of the same ones."""

    __slots__ = ("_all", "_keys", "_said", "_verdicts", "_which")

    def __init__(
        self, keys: Sequence[GroupKey], verdicts: Sequence[Verdict], which: Sequence[int]
    ) -> None:
        """`which` tells for each key the number of its verdict."""
        self._keys = keys
        self._verdicts = verdicts
        self._which = which
        self._said: dict[int, Decision] = {}
        self._all: tuple[Decision, ...] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Decision: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Decision]: ...
    def __getitem__(self, index: int | slice) -> Decision | Sequence[Decision]:
        if isinstance(index, slice):
            return self._whole()[index]
        return self._one(range(len(self._keys))[index])

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._whole())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Decisions):
            return self._whole() == other._whole()
        return isinstance(other, Sequence) and self._whole() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._whole())

    def __repr__(self) -> str:
        return repr(self._whole())

    def _whole(self) -> tuple[Decision, ...]:
        if self._all is None:
            self._all = tuple(self._one(place) for place in range(len(self._keys)))
        return self._all

    def _one(self, place: int) -> Decision:
        number = self._which[place]
        if number not in self._said:
            self._said[number] = explanation.decision(self._verdicts[number])
        return self._said[number].of(self._keys[place])

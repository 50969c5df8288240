"""What cannot be meant in a file, and where: who read the file can turn the place into a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that cannot be meant."""

    where: tuple[str | int, ...]
    """Keys and places in lists that lead to it, from the file's root."""
    text: str
    """What is wrong and what to do, one clause."""

    def under(self, *where: str | int) -> Fault:
        """The same, seen from further up."""
        return replace(self, where=(*where, *self.where))

    def __str__(self) -> str:
        place = ".".join(str(step) for step in self.where)
        return f"{place}: {self.text}" if place else self.text


def repeated(names: Sequence[str]) -> Iterator[Fault]:
    """Names that stand twice in a list, each at its second place."""
    for name, count in Counter(names).items():
        if count > 1:
            second = names.index(name, names.index(name) + 1)
            yield Fault((second, "name"), f"{name!r} stands twice; give each its own name")

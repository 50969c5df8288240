"""How a bug is planted: names are bound anew in memory, and bound back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.core import machine
from wire.model import Phase


@dataclass(slots=True)
class Swaps:
    """What has been replaced, and how to put it back."""

    _undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def planted(self) -> int:
        """How many names are bound anew."""
        return len(self._undo)

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Of a module or class. Raises `AttributeError` when there is no such defence."""
        old = owner.__dict__[name] if name in owner.__dict__ else getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, old))

    def item(self, mapping: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        """Of a dictionary. Raises `KeyError` when there is no such entry."""
        old = mapping[key]
        mapping[key] = value
        self._undo.append(lambda: mapping.__setitem__(key, old))

    def row(self, phase: Phase, event: type[Any], row: machine.Row) -> None:
        """Of the switch machine's table."""
        self.item(machine.TABLE[phase], event, row)

    def undo(self) -> None:
        """Put everything back, last first."""
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug."""

    name: str
    defence: str
    """What it switches off."""
    plant: Callable[[Swaps], None]
    hidden: str = ""
    """Why the simulation cannot show it; then the exhaustive search must."""


@contextmanager
def planted(*mutants: Mutant) -> Iterator[None]:
    """The bugs are there for as long as this lasts."""
    swaps = Swaps()
    try:
        for mutant in mutants:
            mutant.plant(swaps)
        yield
    finally:
        swaps.undo()

"""Remembers broken promises."""

from __future__ import annotations

from collections.abc import Callable


class ViolationError(AssertionError):
    """A promise was broken; the text says which."""


class Witness:
    """Remembers the first broken promise, even where the code under test survives any error."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.first: ViolationError | None = None
        self._now = now

    def __call__(self, problem: str) -> None:
        """Raise `ViolationError` unless there is no problem."""
        if not problem:
            return
        error = ViolationError(f"at {self._now():.3f} s: {problem}")
        self.first = self.first or error
        raise error

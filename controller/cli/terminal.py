"""Where output goes: tables for people, JSON for programs, progress and errors apart from both."""

from __future__ import annotations

import shutil
import sys
import time

import msgspec
from rich.console import Console, RenderableType

PIPE_COLUMNS = 120
"""Width of tables that do not go to a terminal, unless COLUMNS says otherwise."""


class Terminal:
    """Standard output for answers, standard error for everything else."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        columns = shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns
        self._out = Console(file=sys.stdout, width=columns, highlight=False)
        self._err = Console(file=sys.stderr, width=columns, highlight=False, soft_wrap=True)

    def show(self, answer: object, *tables: RenderableType) -> None:
        """The answer: as JSON, or as tables."""
        if self.json:
            sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
            sys.stdout.flush()
            return
        for table in tables:
            self._out.print(table)

    def say(self, text: str) -> None:
        """One line of progress."""
        self._err.print(text, markup=False)

    def complain(self, error: str, hint: str) -> None:
        """What went wrong and what to do next."""
        self._err.print(f"rigshift: {error}", style="red", markup=False)
        self._err.print(f"  → {hint}", markup=False)

    def agree(self, question: str) -> bool:
        """Ask; anything but yes is no."""
        self._err.print(f"{question} [y/N] ", end="", markup=False)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def sleep(self, seconds: float) -> None:
        """Let time pass between two looks."""
        time.sleep(seconds)

    def elapsed_s(self) -> float:
        """Seconds since some fixed instant."""
        return time.monotonic()

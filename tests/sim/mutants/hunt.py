"""The hunt for planted bugs: which seed finds which, and which survive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sim.checks import ViolationError
from tests.sim.mutants import in_agent, in_controller, in_machine, on_wire
from tests.sim.mutants.planting import Mutant, planted
from tests.sim.scenario import simulate

MUTANTS: tuple[Mutant, ...] = (
    *in_machine.MUTANTS,
    *in_agent.MUTANTS,
    *on_wire.MUTANTS,
    *in_controller.MUTANTS,
)
"""The catalogue."""

SEEDS_MAX = 150
"""A bug must be found within so many seeds."""

PROVEN = Path(__file__).with_name("proven.txt")
"""By name, the seed that found each bug last: it is tried first."""


@dataclass(frozen=True, slots=True)
class Find:
    """A seed that noticed, and what it said."""

    seed: int
    tried: int
    problem: str


def hunt(mutants: Sequence[Mutant], seeds: Iterable[int]) -> Find | None:
    """The first of these seeds under which these bugs together break a promise.

    Any other error than a broken promise is no find: it may be the bug's own clumsiness.
    """
    tried = 0
    with planted(*mutants):
        for seed in dict.fromkeys(seeds):
            tried += 1
            problem = broken(seed)
            if problem:
                return Find(seed, tried, problem)
    return None


def broken(seed: int) -> str:
    """The promise that this seed finds broken, if any."""
    try:
        simulate(seed)
    except ViolationError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - what is planted may fail in any way
        return _violation(error)
    return ""


def _violation(error: BaseException) -> str:
    """A broken promise within a group of errors, if there is one."""
    if isinstance(error, ViolationError):
        return str(error)
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next(filter(None, map(_violation, parts)), "")


def proven() -> dict[str, int]:
    """The seed that found each bug last."""
    lines = PROVEN.read_text().splitlines() if PROVEN.exists() else []
    return {name: int(seed) for name, seed in (line.split() for line in lines)}


def seeds_for(*mutants: Mutant) -> list[int]:
    """All that a hunt for these bugs should try, the most promising first."""
    known = proven()
    return [*(known[m.name] for m in mutants if m.name in known), *range(SEEDS_MAX)]


def record(found: dict[str, int]) -> None:
    """Remember which seed finds what."""
    lines = [f"{name} {seed}\n" for name, seed in sorted({**proven(), **found}.items())]
    PROVEN.write_text("".join(lines))

"""The hunt for planted bugs: which seed finds which, and which survive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sim.mutants import (
    exhaustive,
    in_agent,
    in_controller,
    in_machine,
    on_contracts,
    on_locks,
    on_routes,
    on_sleepers,
    on_wire,
)
from tests.sim.mutants.planting import Mutant, planted
from tests.sim.scenario import simulate
from tests.sim.witness import ViolationError

MUTANTS: tuple[Mutant, ...] = (
    *in_machine.MUTANTS,
    *in_agent.MUTANTS,
    *on_wire.MUTANTS,
    *in_controller.MUTANTS,
    *on_contracts.MUTANTS,
    *on_locks.MUTANTS,
    *on_routes.MUTANTS,
    *on_sleepers.MUTANTS,
)
"""The catalogue."""

SEEDS = range(800)
"""One of these must find a bug, wherever it hides."""

PROVEN = Path(__file__).with_name("proven.txt")
"""By name, the seed that found each bug last: it is tried first."""

PROBLEM_CHARS_MAX = 70


@dataclass(frozen=True, slots=True)
class Find:
    """What noticed a bug, and what it said."""

    seed: int | None
    """None: the exhaustive search."""
    problem: str


def hunt(mutants: Sequence[Mutant], seeds: Iterable[int] = SEEDS) -> Find | None:
    """Whatever first notices these bugs together.

    Any other error than a broken promise is no find: it may be the bug's own clumsiness.
    """
    with planted(*mutants):
        if any(mutant.hidden for mutant in mutants) and (problem := searched()):
            return Find(None, problem)
        for seed in dict.fromkeys(seeds):
            if problem := broken(seed):
                return Find(seed, problem)
    return None


def searched() -> str:
    """The promise that the exhaustive search finds broken, if any."""
    try:
        return exhaustive.problem()
    except Exception:  # noqa: BLE001 - what is planted may fail in any way
        return ""


def broken(seed: int) -> str:
    """The promise that this seed finds broken, if any."""
    try:
        simulate(seed)
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
    lines = PROVEN.read_text(encoding="utf-8").splitlines() if PROVEN.exists() else []
    return {name: int(seed) for name, seed in (line.split() for line in lines)}


def likely(*mutants: Mutant) -> list[int]:
    """All seeds that a hunt for these bugs should try, the most promising first."""
    known = proven()
    return [*(known[m.name] for m in mutants if m.name in known), *SEEDS]


def record(found: dict[str, Find]) -> None:
    """Remember which seed finds what."""
    seeds = {name: find.seed for name, find in found.items() if find.seed is not None}
    lines = [f"{name} {seed}\n" for name, seed in sorted({**proven(), **seeds}.items())]
    PROVEN.write_text("".join(lines), encoding="utf-8")


def line(mutant: Mutant, find: Find | None) -> str:
    """A line of the catalogue."""
    if find is None:
        by, problem = "SURVIVED", ""
    else:
        by = "search" if find.seed is None else f"seed {find.seed}"
        problem = find.problem.partition("s: ")[2] or find.problem
    return f"{mutant.name:26} {mutant.defence:42} {by:9} {problem[:PROBLEM_CHARS_MAX]}"

"""The solver behind its one importer."""

import math

import pytest

from controller.core.optimiser import highs
from controller.core.optimiser.program import Effort, Program, SolverError


def knapsack(weights: list[float], most: float) -> Program:
    program = Program()
    columns = [program.column(weight, 1.0) for weight in weights]
    program.bound(zip(columns, weights, strict=True), least=-math.inf, most=most)
    return program


def test_the_best_is_found_and_proven() -> None:
    answer = highs.solve(knapsack([7.0, 5.0, 4.0], 9.5), Effort())
    assert answer.values == (0.0, 1.0, 1.0)
    assert answer.bound == pytest.approx(9.0)


def test_what_nothing_can_keep_is_infeasible() -> None:
    program = knapsack([1.0], 1.0)
    program.bound([(0, 1.0)], least=2.0, most=2.0)
    answer = highs.solve(program, Effort())
    assert (answer.values, answer.infeasible) == (None, True)


def test_columns_may_be_whole_or_not() -> None:
    program = Program()
    whole, part = program.column(1.0, math.inf), program.column(0.5, math.inf, whole=False)
    program.bound([(whole, 1.0), (part, 1.0)], least=0.0, most=2.5)
    assert highs.solve(program, Effort()).values == (2.0, 0.5)


def test_without_time_nothing_is_found_and_nothing_is_called_impossible() -> None:
    rows = [float(2 * i + 1) for i in range(40)]
    answer = highs.solve(knapsack(rows, 400.5), Effort(nodes_max=0, time_max_s=0.0))
    assert not answer.infeasible
    assert answer.bound >= 400.0 - 1e-6


def test_a_program_that_makes_no_sense_is_an_error() -> None:
    program = knapsack([1.0], 1.0)
    program.bound([(7, 1.0)], least=0.0, most=1.0)
    with pytest.raises(SolverError, match="refuses"):
        highs.solve(program, Effort())

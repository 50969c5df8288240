"""The solver HiGHS, and nothing else of it: a program in, an answer out. Only this imports it.

One thread, one seed and a limit on branches: the same program has the same answer everywhere,
unless the limit on time is what ends it.
"""

from __future__ import annotations

import math
from itertools import accumulate

import highspy

from controller.core.optimiser.program import Answer, Effort, Program, SolverError

GAP_USD_PER_H = 1e-6
"""A program is solved when nothing can be better by more."""

FEASIBILITY = 1e-9
"""How far a row may be off: far less than any watt that is counted."""

_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": GAP_USD_PER_H,
    "mip_feasibility_tolerance": FEASIBILITY,
    "primal_feasibility_tolerance": FEASIBILITY,
}


def solve(program: Program, effort: Effort) -> Answer:
    """The best values for the columns. Raises `SolverError`."""
    answer = _asked(program, effort, "on")
    # Its presolve has called programs impossible that are not (see docs/adr/0026-optimiser.md).
    return _asked(program, effort, "off") if answer.infeasible else answer


def _asked(program: Program, effort: Effort, presolve: str) -> Answer:
    limits = {"mip_max_nodes": effort.nodes_max, "time_limit": effort.time_max_s}
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    _set(solver, {**_OPTIONS, **limits, "presolve": presolve})
    if solver.passModel(_model(program)) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refuses the program")
    if solver.run() == highspy.HighsStatus.kError:
        raise SolverError("HiGHS broke off with an error")
    return _answer(solver, program)


def _set(solver: highspy.Highs, options: dict[str, bool | int | float | str]) -> None:
    for name, value in options.items():
        if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS has no option {name} of {value}")


def _model(program: Program) -> highspy.HighsLp:
    model, rows = highspy.HighsLp(), program.rows
    model.num_col_, model.num_row_ = len(program.costs), len(rows)
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = program.costs
    model.col_lower_ = [0.0] * len(program.costs)
    model.col_upper_ = program.uppers
    model.row_lower_ = [row.least for row in rows]
    model.row_upper_ = [row.most for row in rows]
    kinds = {True: highspy.HighsVarType.kInteger, False: highspy.HighsVarType.kContinuous}
    model.integrality_ = [kinds[whole] for whole in program.whole]
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_ = [0, *accumulate(len(row.terms) for row in rows)]
    matrix.index_ = [column for row in rows for column, _ in row.terms]
    matrix.value_ = [coefficient for row in rows for _, coefficient in row.terms]
    return model


def _answer(solver: highspy.Highs, program: Program) -> Answer:
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Answer(None, -math.inf, infeasible=True)
    info = solver.getInfo()
    bound = float(info.mip_dual_bound)
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Answer(None, bound)
    found = list(solver.getSolution().col_value)
    pairs = zip(found, program.whole, strict=True)
    values = tuple(float(round(x)) if whole else float(x) for x, whole in pairs)
    return Answer(values, bound)

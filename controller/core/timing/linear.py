"""Large sparse linear programmes, solved by HiGHS. Of the timing package only this imports it.

It knows no groups and no money; its exceptions stop here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np

from controller.core.timing.terms import FloatArray, IntArray

OPTIONS: dict[str, bool | int | str] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
}
"""The same programme has the same answer everywhere."""


class SolverError(Exception):
    """HiGHS found no optimum; its status says why."""


@dataclass(slots=True)
class Programme:
    """Make the sum of all columns' dollars greatest, within the bounds of columns and rows."""

    _usd: list[FloatArray] = field(default_factory=list)
    _upper: list[FloatArray] = field(default_factory=list)
    _row_bounds: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)
    _cells: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)
    _columns: int = 0
    _rows: int = 0

    def columns(self, usd: FloatArray, upper: FloatArray | float = math.inf) -> IntArray:
        """Add a column for each value; their numbers."""
        numbers = np.arange(self._columns, self._columns + len(usd))
        self._usd.append(usd)
        self._upper.append(np.broadcast_to(upper, usd.shape))
        self._columns += len(usd)
        return numbers

    def rows(self, least: FloatArray, most: FloatArray) -> IntArray:
        """Add a row for each pair of bounds; their numbers."""
        numbers = np.arange(self._rows, self._rows + len(least))
        self._row_bounds.append((least, most))
        self._rows += len(least)
        return numbers

    def put(self, rows: IntArray, columns: IntArray, factors: FloatArray | float) -> None:
        """Add columns to rows, one for one, each with its factor; of the same cell the sum."""
        self._cells.append((rows, columns, np.broadcast_to(factors, rows.shape)))

    def solve(self) -> FloatArray:
        """The best values by column. Raises `SolverError`."""
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in OPTIONS.items():
            solver.setOptionValue(name, value)
        solver.passModel(self._model())
        solver.run()
        status = solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"HiGHS ended with {solver.modelStatusToString(status)}")
        return np.array(solver.getSolution().col_value)

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = self._columns, self._rows
        model.sense_ = highspy.ObjSense.kMaximize
        model.col_cost_ = np.concatenate(self._usd)
        model.col_lower_ = np.zeros(self._columns)
        model.col_upper_ = np.concatenate(self._upper)
        model.row_lower_ = np.concatenate([least for least, _ in self._row_bounds])
        model.row_upper_ = np.concatenate([most for _, most in self._row_bounds])
        rows, columns, factors = map(np.concatenate, zip(*self._cells, strict=True))
        by_row = np.lexsort((columns, rows))
        rows, columns, factors = rows[by_row], columns[by_row], factors[by_row]
        # HiGHS wants each cell once.
        fresh = np.diff(rows, prepend=-1).astype(bool) | np.diff(columns, prepend=-1).astype(bool)
        first = np.flatnonzero(fresh)
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        starts = np.searchsorted(rows[first], np.arange(self._rows + 1))
        matrix.start_ = starts.astype(np.int32)
        matrix.index_ = columns[first].astype(np.int32)
        matrix.value_ = np.add.reduceat(factors, first)
        return model


def total(values: FloatArray, columns: Sequence[IntArray]) -> FloatArray:
    """Sum of several columns' values, one for one."""
    summed: FloatArray = values[np.stack(columns)].sum(axis=0)
    return summed

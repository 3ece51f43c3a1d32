"""Weighted sums of statistics by matrix products that no machine rounds differently.

A product of whole-number weights with statistics is exact in floating point, in any order of
addition, as long as every partial sum is a multiple of one quantum and below 2⁵³ quanta (2²⁴ in
single precision). Statistics are therefore split into slices of few enough bits (Ozaki, Ogita,
Oishi & Rump, 2012), each slice is multiplied exactly, and the slices' sums are added in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

_DOUBLE = 52  # bits of a partial sum: one fewer than float64 has
_SINGLE = 24
_SLICES = 6  # of about 35 bits each; a rest beyond them is below 2⁻²⁰⁰ of the largest entry


class ExactColumns:
    """The columns of an (n, k) matrix, ready to be summed with many rows of weights.

    Args:
        values: finite, shape (n, k).
        total: the largest sum of a row of weights that `sums` will be given.
        fixed: every row of weights sums to `total`, so a constant column needs no product.
    """

    def __init__(self, values: Array, total: int, *, fixed: bool = False) -> None:
        self.columns = values.shape[1]
        self._total = total
        bits = _DOUBLE - max(1, total).bit_length()
        whole: dict[int, npt.NDArray[np.float32]] = {}
        slices: list[tuple[int, Array]] = []
        self._constant: dict[int, float] = {}
        for column in range(self.columns):
            table = values[:, column]
            largest = float(np.abs(table).max(initial=0.0))
            if fixed and np.all(table == table[0]):
                self._constant[column] = float(table[0])
            elif largest * total < 2.0**_SINGLE and np.all(table == np.rint(table)):
                whole[column] = table.astype(np.float32)
            else:
                slices += [(column, part) for part in _slices(table, bits)]
        self._single = list(whole)
        self._single_table = _stack(list(whole.values()), len(values), np.float32)
        self._double = [column for column, _ in slices]
        self._double_table = _stack([part for _, part in slices], len(values), np.float64)

    def sums(self, weights: Weights) -> Array:
        """Return weights @ values, (r, k), from whole-number weights (r, n), 0 or more."""
        result = np.zeros((len(weights), self.columns), dtype=np.float64)
        for column, value in self._constant.items():
            result[:, column] = self._total * value
        if self._single:
            result[:, self._single] = weights @ self._single_table
        if self._double:
            parts = weights.astype(np.float64) @ self._double_table
            # From the finest slice of a column to its coarsest: with two, one rounding in all.
            for number in reversed(range(len(self._double))):
                result[:, self._double[number]] += parts[:, number]
        return result


def _slices(table: Array, bits: int) -> list[Array]:
    """Split a column into addends of `bits` bits each, the coarsest first."""
    found: list[Array] = []
    rest = table.astype(np.float64)
    while len(found) < _SLICES and (largest := float(np.abs(rest).max(initial=0.0))):
        shift = bits - int(np.frexp(largest)[1])
        part = np.ldexp(np.rint(np.ldexp(rest, shift)), -shift)
        found.append(part)
        rest = rest - part  # exact: the part is the rest rounded to fewer bits
    return found


def _stack(parts: Sequence[npt.NDArray[Any]], rows: int, kind: type) -> npt.NDArray[Any]:
    return np.column_stack(parts) if parts else np.empty((rows, 0), dtype=kind)

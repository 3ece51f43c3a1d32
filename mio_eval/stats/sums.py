"""Sums that do not depend on order or machine, so that a score can be recomputed bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def column_sums(values: Array) -> Array:
    """Sum each column of an (n, k) matrix, correctly rounded, whatever the order of rows."""
    return np.array([math.fsum(column) for column in values.T], dtype=np.float64)


def group_sums(values: Array, groups: Sequence[str]) -> tuple[Array, list[str]]:
    """Sum the rows of each group: returns (groups, k) sums and the group names, sorted.

    Rows of a group are added one after the other in the order given.
    """
    names = sorted(set(groups))
    index = {name: i for i, name in enumerate(names)}
    sums = np.zeros((len(names), values.shape[1]), dtype=np.float64)
    np.add.at(sums, [index[group] for group in groups], values)
    return sums, names

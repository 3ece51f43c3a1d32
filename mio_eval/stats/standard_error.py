"""Standard errors: of means, with clusters, of differences, and of any metric by the jackknife.

Formulas: Miller, "Adding error bars to evals" (2024); clusters: Liang & Zeger (1986); jackknife:
Efron & Tibshirani (1993), ch. 11.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from .sums import column_sums, group_sums

Array = npt.NDArray[np.float64]

_ROUNDING = 1e-10  # relative: what is left where spreads cancel


def mean_standard_error(values: Array) -> float:
    """Return s / √n (s with n - 1 below) of independent values (n,)."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def clustered_standard_error(
    values: Array, clusters: Sequence[object], *, correct: bool = True
) -> float:
    """Return the standard error of a mean whose values (n,) come in clusters.

    √(Σ over clusters of (Σ residuals)²) / n, times √(C / (C - 1)) for C clusters when `correct`.
    """
    sums, names = group_sums((values - values.mean())[:, None], [str(c) for c in clusters])
    squares = float((sums**2).sum())
    count = len(names)
    return math.sqrt(squares * (count / (count - 1) if correct else 1.0)) / len(values)


def ratio_standard_error(numerators: Array, denominators: Array) -> float:
    """Return the linearised standard error of Σ numerators / Σ denominators, both (n,)."""
    ratio = numerators.sum() / denominators.sum()
    n = len(numerators)
    residuals = numerators - ratio * denominators
    return math.sqrt(n / (n - 1) * float((residuals**2).sum())) / float(denominators.sum())


def is_spread(standard_error: float | None, value: float) -> bool:
    """Tell whether a standard error of a value is more than none, and than rounding.

    Samples that are all alike show no spread: that is no proof that there is none (ten right
    answers of ten), so nothing may be tested or planned with it.
    """
    return standard_error is not None and standard_error > _ROUNDING * max(1.0, abs(value))


def pooled_standard_error(errors: Sequence[float], counts: Sequence[int]) -> float:
    """Return the standard error of the mean over groups, weighted by size, from each group's."""
    variance = sum((n - 1) * e * e * n for e, n in zip(errors, counts, strict=True))
    total = sum(counts)
    return math.sqrt(variance / (total - len(counts)) / total)


def pseudo_values(
    values: Array, clusters: Sequence[str], score: Callable[[Array], Array]
) -> tuple[Array, list[str]]:
    """Return the jackknife's pseudo-value of each cluster, (C,), and the clusters' names.

    Their mean estimates the score, their standard error the score's: of a mean over single samples
    they are the samples' own values. NaN where the score without a cluster is undefined.
    """
    sums, names = group_sums(values, clusters)
    total = column_sums(values)
    whole = float(score(total[None, :])[0])
    without = score(total[None, :] - sums)
    count = len(names)
    result: Array = count * whole - (count - 1) * without
    return result, names

"""Percentile bootstrap over clusters for any metric that is a function of summed statistics.

Clusters (images, speakers) are drawn with replacement, because samples of one cluster are not
independent; see Miller, "Adding error bars to evals" (2024), and Efron & Tibshirani (1993), ch. 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sums import group_sums

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 12345
MIN_CLUSTERS = 2  # one cluster drawn again and again has no spread: no interval, not a zero one
_BLOCK = 1_000_000  # indices drawn at once: bounds memory whatever the number of clusters


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are None when there are too few clusters for one."""

    low: float | None
    high: float | None
    clusters: int


def resampled_sums(sums: Array, resamples: int, seed: int) -> Array:
    """Draw clusters with replacement and sum their statistics: (resamples, k) from (clusters, k).

    Only the raw stream of PCG64 is used, which numpy guarantees not to change, and rows are added
    in one fixed order, so the result is the same on every machine.
    """
    clusters, columns = sums.shape
    generator = np.random.PCG64(seed)
    result = np.empty((resamples, columns), dtype=np.float64)
    step = max(1, _BLOCK // clusters)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        # A resample takes the next draws of the stream, so the size of a block does not matter.
        raw = generator.random_raw(clusters * size).reshape(size, clusters).T
        # The upper 32 bits times the number of clusters, shifted down: uniform within 2⁻³².
        index = ((raw >> np.uint64(32)) * np.uint64(clusters) >> np.uint64(32)).astype(
            np.intp, order="C"
        )
        if size == 1:
            # Of a single column numpy would sum pairs of pairs, in an order of its own.
            index = np.repeat(index, 2, axis=1)
        for column in range(columns):
            table = np.ascontiguousarray(sums[:, column])
            # Axis 0 of a C-ordered array is summed row after row.
            drawn = np.add.reduce(table[index], axis=0)
            result[start : start + size, column] = drawn[:size]
    return result


def percentile_interval(scores: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the percentile interval as order statistics (no interpolation between draws)."""
    ordered = np.sort(scores)
    tail = int(len(ordered) * (1.0 - confidence) / 2.0)
    return float(ordered[tail]), float(ordered[len(ordered) - tail - 1])


def bootstrap_interval(
    values: Array,
    clusters: Sequence[str],
    score: Callable[[Array], Array],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Bootstrap the interval of `score` over clusters.

    Args:
        values: statistics, shape (n, k), a row a sample.
        clusters: the cluster of each row.
        score: turns summed statistics (…, k) into scores (…).
    """
    sums, names = group_sums(values, clusters)
    if len(names) < MIN_CLUSTERS:
        return Interval(None, None, len(names))
    scores = score(resampled_sums(sums, resamples, seed))
    if not np.all(np.isfinite(scores)):
        return Interval(None, None, len(names))
    low, high = percentile_interval(scores, confidence)
    return Interval(low, high, len(names))

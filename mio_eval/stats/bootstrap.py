"""Percentile bootstrap over clusters for any metric that is a function of summed statistics.

Clusters (images, speakers) are drawn with replacement, because samples of one cluster are not
independent; see Miller, "Adding error bars to evals" (2024), and Efron & Tibshirani (1993), ch. 13.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .draws import Weights, bootstrap_weights
from .exact import ExactColumns
from .sums import group_sums

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 12345
MIN_CLUSTERS = 2  # one cluster drawn again and again has no spread: no interval, not a zero one
_BLOCK = 4_000_000  # weights in a block: bounds memory whatever the number of clusters
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are None when there are too few clusters for one."""

    low: float | None
    high: float | None
    clusters: int


def resampled_sums(sums: Array, resamples: int, seed: int) -> Array:
    """Draw clusters with replacement and sum their statistics: (resamples, k) from (clusters, k).

    The draws are those of `draws.bootstrap_weights`, the sums those of `exact.ExactColumns`, so the
    result is the same on every machine.
    """
    clusters = len(sums)
    columns = ExactColumns(sums, clusters, fixed=True)

    def draw(first: int, count: int) -> Weights:
        return bootstrap_weights(clusters, first, count, seed)

    return summed_blocks(draw, columns, clusters, resamples)


def summed_blocks(
    draw: Callable[[int, int], Weights], columns: ExactColumns, clusters: int, resamples: int
) -> Array:
    """Sum columns with the weights that `draw(first, count)` gives, block by block.

    Threads draw ahead of the products, a few blocks at most.
    """
    result = np.empty((resamples, columns.columns), dtype=np.float64)
    step = max(1, min(_BLOCK // clusters, -(-resamples // _THREADS)))
    blocks = [(first, min(step, resamples - first)) for first in range(0, resamples, step)]
    threads = min(_THREADS, os.cpu_count() or 1, len(blocks))
    if threads < 2 or clusters * resamples < _BLOCK:
        for first, count in blocks:
            result[first : first + count] = columns.sums(draw(first, count))
        return result
    drawn: deque[tuple[int, Future[Weights]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for first, count in [*blocks, *[(-1, 0)] * threads]:
            if count:
                drawn.append((first, pool.submit(draw, first, count)))
            if drawn and (not count or len(drawn) > threads):
                start, future = drawn.popleft()
                weights = future.result()
                result[start : start + len(weights)] = columns.sums(weights)
    return result


def percentile_interval(scores: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the percentile interval as order statistics (no interpolation between draws)."""
    ordered = np.sort(scores)
    # 1 - 0.9 is a little less than 0.1: without the addend the 50th draw would be the 49th.
    tail = int(len(ordered) * (1.0 - confidence) / 2.0 + 1e-9)
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

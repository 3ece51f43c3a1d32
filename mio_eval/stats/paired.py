"""Paired tests of two systems on the same samples, for any metric of summed statistics.

Paired bootstrap: Koehn (2004) with the shift method (Efron & Tibshirani, 1993, 16.2); approximate
randomisation: Noreen (1989), Riezler & Maxwell (2005). Both resample clusters, and both count ties,
so that two equal systems have p = 1. `scheme="sacrebleu"` draws and counts as sacrebleu 2.6 does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bootstrap import (
    CONFIDENCE,
    MIN_CLUSTERS,
    RESAMPLES,
    SEED,
    percentile_interval,
    summed_blocks,
)
from .draws import (
    Scheme,
    Weights,
    bootstrap_weights,
    sacrebleu_masks,
    sacrebleu_weights,
    swap_masks,
)
from .exact import ExactColumns
from .sums import column_sums, group_sums

Array = npt.NDArray[np.float64]
ScoreFunction = Callable[[Array], Array]

_ROUNDING = 1e-12  # two differences this close, relatively, are the same difference


@dataclass(frozen=True, slots=True)
class Pair:
    """The statistics of two systems under one metric: rows belong to the same samples."""

    first: Array
    second: Array
    score: ScoreFunction


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What the paired tests of one metric found; None where a resample has no score."""

    first: float
    second: float
    difference: float
    """second - first"""
    low: float | None
    high: float | None
    standard_error: float | None
    """Of the difference: standard deviation over the bootstrap resamples."""
    p_bootstrap: float | None
    p_randomisation: float | None
    clusters: int


def paired_tests(
    pairs: Sequence[Pair],
    clusters: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    trials: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
    scheme: Scheme = "mio",
) -> list[PairedTest]:
    """Test several metrics on the same samples, with the same draws for all of them.

    Args:
        pairs: a metric each; all with n rows.
        clusters: the cluster of each row; clusters are drawn, and swapped, as a whole.
        resamples: of the bootstrap, which gives interval, standard error and p.
        trials: of the approximate randomisation; none leaves its p out.
    """
    if not pairs:
        return []
    tables: list[Array] = []
    for pair in pairs:
        tables += [pair.first, pair.second]
    widths = [table.shape[1] for table in tables]
    stacked = np.column_stack(tables)
    if scheme == "sacrebleu":  # no clusters there, and the order of samples is part of the draw
        sums, count = stacked, len(stacked)
    else:
        sums, names = group_sums(stacked, clusters)
        count = len(names)
    edges = np.cumsum([0, *widths])
    totals = column_sums(stacked)
    actual = _scores(pairs, totals[None, :], edges)
    if count < MIN_CLUSTERS:
        return [_untested(a[0], b[0], count) for a, b in actual]
    drawn = _scores(pairs, _bootstrap(sums, resamples, seed, scheme), edges)
    swapped = _scores(pairs, _swapped(sums, widths, trials, seed, scheme), edges)
    found = []
    for (a, b), (first, second), (one, two) in zip(actual, drawn, swapped, strict=True):
        difference = float(b[0] - a[0])
        found.append(
            PairedTest(
                float(a[0]),
                float(b[0]),
                difference,
                *_interval(second - first, confidence),
                _p_bootstrap(second - first, difference, scheme),
                _p_randomisation(two - one, difference, scheme),
                count,
            )
        )
    return found


def paired_test(
    first: Array,
    second: Array,
    clusters: Sequence[str],
    score: ScoreFunction,
    *,
    resamples: int = RESAMPLES,
    trials: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
    scheme: Scheme = "mio",
) -> PairedTest:
    """Test one metric; see `paired_tests`."""
    return paired_tests(
        [Pair(first, second, score)],
        clusters,
        resamples=resamples,
        trials=trials,
        seed=seed,
        confidence=confidence,
        scheme=scheme,
    )[0]


def _untested(first: float, second: float, clusters: int) -> PairedTest:
    a, b = float(first), float(second)
    return PairedTest(a, b, b - a, None, None, None, None, None, clusters)


def _scores(
    pairs: Sequence[Pair], sums: Array, edges: npt.NDArray[np.int_]
) -> list[tuple[Array, Array]]:
    """Score rows of stacked sums: by metric, the scores of the first and the second system."""
    found = []
    for number, pair in enumerate(pairs):
        start, middle, end = edges[2 * number : 2 * number + 3]
        found.append((pair.score(sums[:, start:middle]), pair.score(sums[:, middle:end])))
    return found


def _bootstrap(sums: Array, resamples: int, seed: int, scheme: Scheme) -> Array:
    count = len(sums)
    columns = ExactColumns(sums, count, fixed=True)
    if scheme == "sacrebleu":
        return columns.sums(sacrebleu_weights(count, resamples, seed))

    def draw(first: int, size: int) -> Weights:
        return bootstrap_weights(count, first, size, seed)

    return summed_blocks(draw, columns, count, resamples)


def _swapped(sums: Array, widths: Sequence[int], trials: int, seed: int, scheme: Scheme) -> Array:
    """Sum the statistics of both systems after swapping each cluster with probability ½."""
    count = len(sums)
    edges = np.cumsum([0, *widths])
    gaps = [
        sums[:, edges[i + 1] : edges[i + 2]] - sums[:, edges[i] : edges[i + 1]]
        for i in range(0, len(widths), 2)
    ]
    columns = ExactColumns(np.column_stack(gaps), count)

    def draw(first: int, size: int) -> Weights:
        return swap_masks(count, first, size, seed)

    if scheme == "sacrebleu":
        moved = columns.sums(sacrebleu_masks(count, trials, seed))
    else:
        moved = summed_blocks(draw, columns, count, trials)
    totals = column_sums(sums)
    result = np.tile(totals, (trials, 1))
    at = 0
    for i in range(0, len(widths), 2):
        shift = moved[:, at : at + widths[i]]
        result[:, edges[i] : edges[i + 1]] += shift
        result[:, edges[i + 1] : edges[i + 2]] -= shift
        at += widths[i]
    return result


def _interval(
    differences: Array, confidence: float
) -> tuple[float | None, float | None, float | None]:
    if not np.all(np.isfinite(differences)):
        return None, None, None
    low, high = percentile_interval(differences, confidence)
    return low, high, float(differences.std(ddof=1))


def _p_bootstrap(differences: Array, difference: float, scheme: Scheme) -> float | None:
    if scheme == "sacrebleu":
        sizes = np.abs(differences)
        return _share(sizes - sizes.mean(), difference, scheme)
    return _share(np.abs(differences - differences.mean()), difference, scheme)


def _p_randomisation(differences: Array, difference: float, scheme: Scheme) -> float | None:
    return _share(np.abs(differences), difference, scheme)


def _share(statistics: Array, difference: float, scheme: Scheme) -> float | None:
    """Return (count of statistics as large as the difference + 1) / (their number + 1)."""
    if not np.all(np.isfinite(statistics)) or not np.isfinite(difference):
        return None
    if not len(statistics):
        return None
    size = abs(difference)
    if scheme == "sacrebleu":
        count = int((statistics > size).sum())
    else:
        count = int((statistics >= size * (1.0 - _ROUNDING)).sum())
    return (count + 1) / (len(statistics) + 1)

"""How many samples a difference needs, from the spread of a run's own samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .comparison import open_result
from .comparison.differences import differences
from .comparison.pairing import Result
from .errors import IncomparableError, UsageError, unknown
from .gating.policy import share
from .load import MetricRows, metric_of
from .stats import (
    ALPHA,
    POWER,
    is_spread,
    mean_standard_error,
    minimal_detectable_effect,
    pseudo_values,
    samples_needed,
)
from .types import Json


@dataclass(frozen=True, slots=True)
class Need:
    """What one way of comparing can tell, in the metric's unit."""

    standard_error: float
    """Of the difference, at `n` samples."""
    detectable: float
    """The difference that `n` samples find with the wanted power."""
    samples: int | None
    """Samples that the asked difference needs; None when none was asked for."""


@dataclass(frozen=True, slots=True)
class PowerResult:
    """Power of comparing two systems on one metric, by the jackknife over clusters."""

    run: str
    task: str
    metric: str
    unit: str
    value: float
    n: int
    clusters: int
    standard_error: float
    """Of the run's own score."""
    difference: float | None
    alpha: float
    power: float
    unpaired: Need
    """Against an independent result with the same spread: published numbers."""
    paired: Need | None = None
    """Against `paired_with`, on the same samples."""
    paired_with: str | None = None
    correlation: float | None = None
    """Of the two runs' samples; what pairing gains."""

    def to_json(self) -> Json:
        """Return the object that `power --json` writes."""
        return asdict(self)


def power_analysis(
    run: str | Path,
    task: str,
    metric: str,
    difference: float | str | None = None,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    paired_with: str | Path | None = None,
) -> PowerResult:
    """Say how large a difference a run's samples can show, and how many a difference needs.

    Args:
        difference: in the metric's unit, or `2%` of the run's value.
        paired_with: another run of the task, for the spread of paired differences.

    Raises:
        UsageError: unknown task or metric, no per-sample statistics, senseless numbers.
        IncomparableError: the two runs were not made alike.
    """
    for name, given in (("power", power), ("alpha", alpha)):
        if not 0.0 < given < 1.0:
            raise UsageError(f"{name} {given:g}: expected a number above 0 and below 1")
    first = open_result(run)
    rows = _rows(first, task, metric)
    pseudo, clusters = _pseudo(first, task, metric, rows)
    value = float(first.data["results"][task][metric]["value"])
    asked = _difference(difference, value)
    error = mean_standard_error(pseudo)
    n = len(rows.ids)

    def need(standard_error: float, count: int, what: str) -> Need:
        if not is_spread(standard_error, value):
            raise UsageError(
                f"{first.name}: {task} {metric}: {what} are all alike in {count} samples: there is "
                "no spread to plan with; take more samples, or a run that is not perfect"
            )
        samples = None
        if asked is not None:
            samples = samples_needed(asked, standard_error, count, alpha, power)
        effect = minimal_detectable_effect(standard_error, alpha, power)
        return Need(standard_error, effect, samples)

    paired = correlation = None
    other = None if paired_with is None else open_result(paired_with)
    if other is not None:
        gap, correlation, shared = _paired(first, other, task, metric)
        paired = need(gap, shared, "the differences")
    return PowerResult(
        run=first.name,
        task=task,
        metric=metric,
        unit=first.data["results"][task][metric]["unit"],
        value=value,
        n=n,
        clusters=len(clusters),
        standard_error=error,
        difference=asked,
        alpha=alpha,
        power=power,
        unpaired=need(error * 2.0**0.5, n, "the scores"),
        paired=paired,
        paired_with=other.name if other is not None else None,
        correlation=correlation,
    )


def _paired(
    first: Result, other: Result, task: str, metric: str
) -> tuple[float, float | None, int]:
    """Return standard error of the difference, correlation, and the number of shared samples."""
    _rows(other, task, metric)
    if found := differences(task, first.data, other.data, [metric]):
        raise IncomparableError(
            f"cannot pair {first.name} with {other.name}; they differ: "
            + "; ".join(map(str, found))
        )
    one, two = _rows(first, task, metric), _rows(other, task, metric)
    shared = sorted(set(one.ids) & set(two.ids))
    if not shared:
        raise UsageError(f"{first.name} and {other.name} share no scored sample of {task}")
    a, _ = _pseudo(first, task, metric, one.take(shared))
    b, _ = _pseudo(other, task, metric, two.take(shared))
    correlation = None
    if a.std() > 0 and b.std() > 0:
        correlation = float(np.corrcoef(a, b)[0, 1])
    return mean_standard_error(b - a), correlation, len(shared)


def _rows(result: Result, task: str, metric: str) -> MetricRows:
    results = result.data["results"]
    if task not in results:
        raise unknown(f"task of {result.name}", task, results)
    if metric not in results[task]:
        raise unknown(f"metric of {task} in {result.name}", metric, results[task])
    rows = result.rows(task, metric)
    if rows is None or results[task][metric]["value"] is None:
        raise UsageError(f"{result.name}: {task} {metric} has no per-sample statistics")
    return rows


def _pseudo(
    result: Result, task: str, metric: str, rows: MetricRows
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[str]]:
    kind = metric_of(result.data, task, metric)
    with np.errstate(all="ignore"):
        pseudo, names = pseudo_values(rows.values, rows.clusters, kind.score)
    if len(names) < 2 or not np.all(np.isfinite(pseudo)):
        raise UsageError(
            f"{result.name}: {task} {metric}: no spread can be computed from {len(names)} clusters"
        )
    return pseudo, names


def _difference(given: float | str | None, value: float) -> float | None:
    if given is None:
        return None
    try:
        if isinstance(given, str) and given.strip().endswith("%"):
            size = share(given) * abs(value)
        else:
            size = float(given)
    except ValueError as error:
        raise UsageError(
            f"difference {given!r}: expected a number, or a share of the value such as 2%"
        ) from error
    if not 0.0 < size < float("inf"):
        raise UsageError(f"difference {given}: expected a number above 0")
    return size

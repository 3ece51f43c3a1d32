"""Compares one task of two results: paired where both have per-sample statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..display import one_line
from ..errors import IncomparableError
from ..load import MetricRows, metric_of
from ..metrics.base import Metric
from ..stats import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Pair,
    is_spread,
    mcnemar,
    minimal_detectable_effect,
    paired_tests,
    unpaired_p,
)
from ..stats.distributions import normal_quantile
from ..types import Json
from .results import ChangedSample, Comparison

_OUTPUT_LENGTH = 100


class Result(Protocol):
    """What is compared: a run directory, a baseline file."""

    @property
    def name(self) -> str:
        """How it is called in tables."""

    @property
    def data(self) -> Json:
        """The content of run.json, or the part of it that comparing needs."""

    def rows(self, task: str, metric: str) -> MetricRows | None:
        """Return per-sample statistics, None when it has none."""

    def records(self, task: str) -> Iterator[Json]:
        """Yield the samples, nothing when they are not kept."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the tests are run."""

    resamples: int = RESAMPLES
    seed: int = SEED
    confidence: float = CONFIDENCE
    alpha: float = 1.0 - CONFIDENCE
    top: int = 5
    randomise: bool = True
    """Run the approximate randomisation too; a gate looks at the interval alone."""


def check_finished(result: Result) -> None:
    """Refuse a run that is still under way. Raises IncomparableError."""
    if result.data["status"] == "running":
        raise IncomparableError(
            f"{result.name} is not finished (status running); "
            "continue it with: mio-eval run --resume RUN"
        )


def compare_task(
    task: str, first: Result, second: Result, metrics: Sequence[str], settings: Settings
) -> list[Comparison]:
    """Compare metrics of a task; those on the same shared samples share the draws."""
    rows: dict[str, Comparison] = {}
    groups: dict[tuple[str, ...], list[_Paired]] = {}
    for name in metrics:
        blank = _blank(task, name, first, second)
        metric = metric_of(first.data, task, name)
        one, two = first.rows(task, name), second.rows(task, name)
        if reason := _unpairable(metric, one, two):
            rows[name] = unpaired(blank, first.data, second.data, settings, reason)
            continue
        assert one is not None
        assert two is not None
        shared = sorted(set(one.ids) & set(two.ids))
        blank = replace(
            blank,
            n_shared=len(shared),
            only_first=len(one.ids) - len(shared),
            only_second=len(two.ids) - len(shared),
        )
        if not shared:
            rows[name] = replace(blank, notes=(*blank.notes, "no shared samples: not tested"))
            continue
        pair = _Paired(blank, metric, one.take(shared), two.take(shared))
        groups.setdefault(tuple(shared), []).append(pair)
    for members in groups.values():
        for row in _test(members, settings):
            rows[row.metric] = row
    found = [rows[name] for name in metrics]
    return _with_outputs(task, found, first, second) if settings.top else found


@dataclass(frozen=True, slots=True)
class _Paired:
    row: Comparison
    metric: Metric
    first: MetricRows
    second: MetricRows


def changed_content(task: str, first: Result, second: Result) -> tuple[int, int]:
    """Count shared samples, and those of them whose inputs or references differ."""
    content = {record["id"]: record.get("content") for record in first.records(task)}
    shared = [r for r in second.records(task) if r["id"] in content]
    return len(shared), sum(record.get("content") != content[record["id"]] for record in shared)


def _blank(task: str, name: str, first: Result, second: Result) -> Comparison:
    one, two = first.data["results"][task][name], second.data["results"][task][name]
    notes = []
    if one["n_failed"] or two["n_failed"]:
        notes.append(
            f"FAILED SAMPLES: {one['n_failed']} of {one['n_expected']} in {first.name}, "
            f"{two['n_failed']} of {two['n_expected']} in {second.name}"
            + (
                ": the comparison leaves out what only one of them could do"
                if one["n_failed"] != two["n_failed"]
                else ""
            )
        )
    return Comparison(
        task=task,
        metric=name,
        unit=one["unit"],
        higher_is_better=one["higher_is_better"],
        primary=bool(one["primary"]),
        first=first.name,
        second=second.name,
        method="paired",
        value_first=one["value"],
        value_second=two["value"],
        difference=_minus(two["value"], one["value"]),
        failed_first=one["n_failed"],
        failed_second=two["n_failed"],
        signature=one["signature"],
        notes=tuple(notes),
    )


def _unpairable(metric: Metric, one: MetricRows | None, two: MetricRows | None) -> str:
    """Say why two results cannot be paired, or "" where they can."""
    if one is None or two is None:
        return "no per-sample statistics on one side"
    if metric.whole_set and one.ids != two.ids:
        return f"{metric.name} is a score of the whole set, and the two scored sets differ"
    if metric.whole_set and (
        why := metric.no_interval(one.values) or metric.no_interval(two.values)
    ):
        return why
    return ""


def _test(members: Sequence[_Paired], settings: Settings) -> Iterator[Comparison]:
    pairs = [Pair(m.first.values, m.second.values, m.metric.score) for m in members]
    clusters, disagree = _clusters(members[0])
    with np.errstate(all="ignore"):
        tests = paired_tests(
            pairs,
            clusters,
            resamples=settings.resamples,
            trials=settings.resamples if settings.randomise else 0,
            seed=settings.seed,
            confidence=settings.confidence,
        )
    for member, test in zip(members, tests, strict=True):
        wins, ties, losses = _outcomes(member)
        notes = list(member.row.notes)
        if disagree:
            notes.append(
                "the two results cluster samples differently: the coarser clusters are resampled"
            )
        if member.metric.whole_set:
            notes.append("a score of the whole set: tested to first order, by its influences")
        p_mcnemar = None
        if counts := _discordant(member):
            p_mcnemar = mcnemar(*counts).mid_p
            if test.clusters < len(clusters):
                notes.append("McNemar's test takes the samples for independent, clusters aside")
        if test.p_bootstrap is None:
            few = test.clusters < 2
            notes.append(
                f"not tested: {'a single cluster' if few else 'undefined on some resamples'}"
            )
        error = test.standard_error
        yield replace(
            member.row,
            value_first=_finite(test.first),
            value_second=_finite(test.second),
            difference=_finite(test.difference),
            ci_low=test.low,
            ci_high=test.high,
            standard_error=error,
            p_bootstrap=test.p_bootstrap,
            p_randomisation=test.p_randomisation,
            p_mcnemar=p_mcnemar,
            wins=wins,
            ties=ties,
            losses=losses,
            mde=None if error is None else minimal_detectable_effect(error, settings.alpha),
            clusters=test.clusters,
            changed=_changed(member, settings.top),
            notes=tuple(notes),
        )


def _clusters(member: _Paired) -> tuple[tuple[str, ...], bool]:
    """Return the clusters to resample, and whether the two sides have others.

    Other harnesses know no clusters: samples that only one side keeps apart are dependent still.
    """
    first, second = member.first.clusters, member.second.clusters
    counts = len(set(first)), len(set(second))
    same = counts[0] == counts[1] == len(set(zip(first, second, strict=True)))
    return (first if counts[0] <= counts[1] else second), not same


def unpaired(
    row: Comparison, first: Json, second: Json, settings: Settings, reason: str
) -> Comparison:
    """Compare two values from their stored intervals, as independent results."""
    scores = first["results"][row.task][row.metric], second["results"][row.task][row.metric]
    errors = [interval_error(score) for score in scores]
    return unpaired_row(row, errors[0], errors[1], settings, reason)


def unpaired_row(
    row: Comparison,
    error_first: float | None,
    error_second: float | None,
    settings: Settings,
    reason: str,
) -> Comparison:
    """Fill in the unpaired test from two standard errors; without them nothing is tested.

    An error of 0, of samples that are all alike, is none: any difference would be certain.
    """
    notes = (*row.notes, f"UNPAIRED: {reason}")
    if row.difference is None or error_first is None or error_second is None:
        return replace(row, method="unpaired", notes=(*notes, "not tested: no standard error"))
    sides = ((row.value_first, error_first), (row.value_second, error_second))
    if not all(is_spread(error, value or 0.0) for value, error in sides):
        alike = "not tested: all samples of one side are alike, which gives no standard error"
        return replace(row, method="unpaired", notes=(*notes, alike))
    error = math.hypot(error_first, error_second)
    half = normal_quantile(0.5 + settings.confidence / 2) * error
    return replace(
        row,
        method="unpaired",
        ci_low=row.difference - half,
        ci_high=row.difference + half,
        standard_error=error,
        p_unpaired=unpaired_p(row.difference, error),
        mde=minimal_detectable_effect(error, settings.alpha),
        notes=notes,
    )


def interval_error(score: Json) -> float | None:
    """Return the standard error that a stored interval stands for, None without an interval."""
    if score["ci_low"] is None:
        return None
    z = normal_quantile(0.5 + score["confidence"] / 2)
    return float((score["ci_high"] - score["ci_low"]) / (2 * z))


def _outcomes(member: _Paired) -> tuple[int, int, int] | tuple[None, None, None]:
    """Count samples that the second has better, equal, worse. Undefined scores count nowhere."""
    if member.metric.whole_set:
        return None, None, None
    sign = 1 if member.metric.higher_is_better else -1
    gaps = [
        sign * (b - a)
        for a, b in zip(member.first.scores, member.second.scores, strict=True)
        if a is not None and b is not None
    ]
    wins, losses = sum(g > 0 for g in gaps), sum(g < 0 for g in gaps)
    return wins, len(gaps) - wins - losses, losses


def right_or_wrong(metric: Metric, rows: MetricRows) -> bool:
    """Tell whether a score is the mean of samples that are right (its best value) or wrong.

    Not so one that is made of other statistics (F1), nor one of degrees that happens to be 0 for
    every sample, as a bad model's CIDEr.
    """
    low, high = metric.range
    scores = set(rows.scores)
    degrees = "correct" not in metric.columns and high not in scores
    if not metric.higher_is_better or degrees or not scores <= {low, high}:
        return False
    whole = float(metric.score(rows.values.sum(axis=0)))
    return math.isclose(whole, math.fsum(s or 0.0 for s in rows.scores) / len(rows.ids))


def _discordant(member: _Paired) -> tuple[int, int] | None:
    """Count the samples only one system has right; None when the metric is not right-or-wrong."""
    if not all(right_or_wrong(member.metric, side) for side in (member.first, member.second)):
        return None
    low, high = member.metric.range
    pairs = list(zip(member.first.scores, member.second.scores, strict=True))
    return sum(a == high and b == low for a, b in pairs), sum(
        a == low and b == high for a, b in pairs
    )


def _changed(member: _Paired, top: int) -> tuple[ChangedSample, ...]:
    """Return the `top` samples that became worse by most, then the `top` better by most."""
    sign = 1 if member.metric.higher_is_better else -1
    gaps = [
        (sign * (b - a), name, a, b)
        for name, a, b in zip(
            member.first.ids, member.first.scores, member.second.scores, strict=True
        )
        if a is not None and b is not None and a != b
    ]
    worse = sorted((g for g in gaps if g[0] < 0), key=lambda g: (g[0], g[1]))[:top]
    better = sorted((g for g in gaps if g[0] > 0), key=lambda g: (-g[0], g[1]))[:top]
    return tuple(ChangedSample(name, a, b) for _, name, a, b in [*worse, *better])


def _with_outputs(
    task: str, rows: Sequence[Comparison], first: Result, second: Result
) -> list[Comparison]:
    """Put what the models said beside the changed samples."""
    wanted = {sample.id for row in rows for sample in row.changed}
    if not wanted:
        return list(rows)
    said = [_outputs(result, task, wanted) for result in (first, second)]
    return [
        replace(
            row,
            changed=tuple(
                replace(s, output_first=said[0].get(s.id, ""), output_second=said[1].get(s.id, ""))
                for s in row.changed
            ),
        )
        for row in rows
    ]


def _outputs(result: Result, task: str, wanted: set[str]) -> Mapping[str, str]:
    found = {}
    for record in result.records(task):
        if record["id"] in wanted and record.get("output"):
            text = one_line(str(next(iter(record["output"].values()))))
            short = text[: _OUTPUT_LENGTH - 1] + "…" if len(text) > _OUTPUT_LENGTH else text
            found[record["id"]] = short
    return found


def _minus(second: float | None, first: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

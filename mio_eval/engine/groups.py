"""Scores by group: the dimensions of SEED-Bench, the sounds of OmniBench, the answer types of VQA.

A sample's group is `meta["group"]`. The task's own score stays the one over all samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..metrics.base import Array, Metric
from ..stats import bootstrap_interval, column_sums
from ..types import Json

FEWEST_UNITS = 10  # clusters (or samples) that an interval of a group needs


def group_scores(
    metric: Metric,
    values: Array,
    ids: Sequence[str],
    clusters: Sequence[str],
    groups: Mapping[str, str],
) -> dict[str, Json]:
    """Score every group by itself: group → value, interval, n_scored, n_failed; sorted by name.

    Nothing where there are not two groups at least, or the metric scores only whole sets.
    Where a group's only cluster bears the group's name (MMLU's subjects), its samples are the
    units of resampling. Fewer than 10 units give no interval: groups can be very small.

    Args:
        values: the metric's statistics, a row a scored sample, in the order of `ids`.
        ids, clusters: of the rows.
        groups: sample id → group, of all samples, failed ones too.
    """
    names = sorted(set(groups.values()))
    if metric.whole_set or len(names) < 2:
        return {}
    rows: dict[str, list[int]] = {name: [] for name in names}
    expected = dict.fromkeys(rows, 0)
    for name in groups.values():
        expected[name] += 1
    for number, sample_id in enumerate(ids):
        if sample_id in groups:
            rows[groups[sample_id]].append(number)
    return {
        name: {
            **_score(metric, values[found], _units(name, found, ids, clusters)),
            "n_scored": len(found),
            "n_failed": expected[name] - len(found),
        }
        for name, found in rows.items()
    }


def _units(
    group: str, rows: Sequence[int], ids: Sequence[str], clusters: Sequence[str]
) -> list[str]:
    units = [clusters[row] for row in rows]
    return [ids[row] for row in rows] if set(units) == {group} else units


def _score(metric: Metric, values: Array, clusters: Sequence[str]) -> dict[str, float | None]:
    if not len(values):
        return {"value": None, "ci_low": None, "ci_high": None}
    value = float(metric.score(column_sums(values)))
    if not np.isfinite(value):
        return {"value": None, "ci_low": None, "ci_high": None}
    if len(set(clusters)) < FEWEST_UNITS:
        return {"value": value, "ci_low": None, "ci_high": None}
    interval = bootstrap_interval(values, clusters, metric.score)
    return {"value": value, "ci_low": interval.low, "ci_high": interval.high}

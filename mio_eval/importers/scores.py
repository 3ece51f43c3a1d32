"""Makes the scores of one task of another harness: statistics where a metric is a mean of samples.

Whether it is one is not believed but computed: the mean of the samples' values must be the value
that the harness reports (or 100 times it). Other metrics come as aggregates, compared unpaired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import __version__
from ..errors import UsageError, unknown
from ..jsonio import digest
from ..load import MetricRows, rows_of
from ..metrics import get_metric, metric_names
from ..metrics.base import Metric
from ..metrics.imported import Imported
from ..stats import CONFIDENCE, bootstrap_interval
from ..stats.distributions import normal_quantile
from ..types import Json
from .harness import Aggregate, Results, is_number

_TOLERANCE = 1e-9  # relative: the sums of two programs, in another order
# lm-eval's accuracy is ours through lm-eval, as a share where ours is ×100.
_KNOWN = {("lm-eval", "acc"): ("acc", 100.0)}


@dataclass
class Mapped:
    """What the user says of names, scales and ids; and which of it was used."""

    metrics: Mapping[str, str]
    scales: Mapping[str, float]
    id_field: str = ""
    cluster_field: str = ""
    used: set[str] = field(default_factory=set)

    def check_used(self) -> None:
        """Refuse a metric that no task has: it is a mistake in writing."""
        for name in {*self.metrics, *self.scales} - self.used:
            raise UsageError(f"--metric or --scale {name!r}: no imported task has this metric")


@dataclass(frozen=True, slots=True)
class ImportedTask:
    """The parts of a baseline's run that belong to a task."""

    facts: Json
    data: Json
    scores: dict[str, Json]
    rows: dict[str, MetricRows | None]
    how: dict[str, str]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    cluster: str
    content: str
    filter: str
    values: Json


def imported_task(results: Results, task: str, mapped: Mapped) -> ImportedTask:
    """Import a task or group. Raises UsageError for ids, names and scales that are wrong."""
    lines = _samples(results, task, mapped)
    content = results.content
    config = _config(results, task)
    scores: dict[str, Json] = {}
    rows: dict[str, MetricRows | None] = {}
    how: dict[str, str] = {}
    settings: dict[str, Json] = {}
    foreign: list[str] = []
    left_out = [f"{name}: its value is no number" for name in results.without_value(task)]
    higher = (content.get("higher_is_better") or {}).get(task) or {}
    for aggregate in results.aggregates(task):
        name, metric, scale = _target(results, aggregate, mapped)
        if name in scores:
            raise UsageError(f"--metric: {task} has two metrics that would be called {name}")
        stated = higher.get(aggregate.metric)
        better = metric.higher_is_better if metric else stated
        if not isinstance(better, bool):
            left_out.append(f"{aggregate.metric}: the file does not say whether higher is better")
            continue
        score, found, why = _score(results, task, aggregate, lines, name, metric, scale, better)
        scores[name], rows[name] = score, found
        how[name] = "paired" if found else f"unpaired: {why}"
        if isinstance(stated, bool) and stated != better:
            turned = (
                f"OTHER DIRECTION: {results.harness} says that {_direction(stated)} is better, "
                f"our {name} that {_direction(better)} is"
            )
            how[name] += f"; {turned}"
            score["note"] += f"; {turned}"
        if metric is None:
            foreign.append(name)
        settings[name] = dict(metric.settings) if metric else {}
    if scores:
        primary = next(iter(scores))
        scores[primary]["primary"] = True
    version = (content.get("versions") or {}).get(task)
    facts = {
        "version": f"{results.harness}:{version}",
        "sha256": digest([results.harness, task, config]),
        "directory": task,
        "split": config.get("test_split") or "unknown",
        "output": "text",
        "prompt_style": f"{results.harness}:{(content.get('n-shot') or {}).get(task)}-shot",
        "prompt": config.get("doc_to_text"),
        "separator": "",
        "generation": config.get("generation_kwargs") or {},
        "metrics": settings,
        "imported": foreign,
        "primary": next(iter(scores), ""),
        "judges": {},
        "absent": {},
        "n_failed": max((s["n_failed"] for s in scores.values()), default=0),
    }
    return ImportedTask(facts, _data(results, task, lines), scores, rows, how, tuple(left_out))


def _usual_scale(results: Results, aggregate: Aggregate, name: str) -> float:
    """Return what a metric's values are multiplied by when the user says nothing."""
    ours, scale = _KNOWN.get((results.harness, _theirs(aggregate)), ("", 1.0))
    return scale if name == ours else 1.0


def _theirs(aggregate: Aggregate) -> str:
    return aggregate.metric if aggregate.filter == "none" else _full_name(aggregate)


def _direction(higher: bool) -> str:
    return "higher" if higher else "lower"


def _target(
    results: Results, aggregate: Aggregate, mapped: Mapped
) -> tuple[str, Metric | None, float]:
    """Return the name a metric gets, the metric of ours it stands for, and the scale."""
    theirs = _theirs(aggregate)
    mapped.used.add(theirs)
    known = _KNOWN.get((results.harness, theirs))
    ours = mapped.metrics.get(theirs) or (known[0] if known else "")
    scale = mapped.scales.get(theirs)
    if not ours:
        return f"{theirs}@{results.harness}", None, 1.0 if scale is None else scale
    if ours not in metric_names():
        raise unknown("metric", ours, metric_names())
    metric = get_metric(ours)
    if scale is None and known and known[0] == ours:
        scale = known[1]
    if scale is None:
        unit = f", in {metric.unit}" if metric.unit else ""
        raise UsageError(
            f"--metric {theirs}={ours}: say how {results.harness}'s scale becomes ours{unit}: "
            f"--scale {theirs}=1 or --scale {theirs}=100 (its value here is {aggregate.value:g})"
        )
    return ours, metric, scale


def _full_name(aggregate: Aggregate) -> str:
    return f"{aggregate.metric}:{aggregate.filter}"


def _score(
    results: Results,
    task: str,
    aggregate: Aggregate,
    lines: Sequence[_Line] | None,
    name: str,
    metric: Metric | None,
    scale: float,
    better: bool,
) -> tuple[Json, MetricRows | None, str]:
    count = results.sample_count(task)
    values, why = _per_sample(aggregate, lines)
    statistics: MetricRows | None = None
    scored = len(values) or count or 0
    expected = max(count or 0, scored + sum(_failed(line) for line in lines or ()))
    if own := results.own_counts(task, aggregate.metric):
        expected, scored = own
    score: dict[str, Json] = {
        "value": aggregate.value * scale,
        "ci_low": None,
        "ci_high": None,
        "confidence": CONFIDENCE,
        "n_expected": expected,
        "n_scored": scored,
        "n_failed": expected - scored,
        "unit": metric.unit if metric else "",
        "higher_is_better": better,
        "primary": False,
        "note": f"from {results.harness}, which does not count failures",
    }
    kind = metric or Imported({**score, "signature": name})
    if values:
        statistics, why = _rows(kind, values, scale)
    agg = "mean-of-samples" if statistics is not None else "as-reported"
    score["signature"] = "|".join(
        [
            name.lower(),
            *(f"via:{results.harness}", f"version:{results.version}"),
            *(f"filter:{aggregate.filter}", f"agg:{agg}"),
            *([] if scale == _usual_scale(results, aggregate, name) else [f"scale:{scale:g}"]),
            *(f"n:{score['n_scored']}", f"v:{__version__}"),
        ]
    ).replace(" ", "")
    if statistics is not None:
        interval = bootstrap_interval(statistics.values, statistics.clusters, kind.score)
        score["value"] = float(kind.score(statistics.values.sum(axis=0)))
        score["ci_low"], score["ci_high"] = interval.low, interval.high
    elif aggregate.stderr is not None:
        half = normal_quantile(0.5 + CONFIDENCE / 2) * aggregate.stderr * scale
        score["ci_low"], score["ci_high"] = score["value"] - half, score["value"] + half
        score["note"] += "; the interval is from its standard error"
    return score, statistics, why


def _per_sample(
    aggregate: Aggregate, lines: Sequence[_Line] | None
) -> tuple[list[tuple[_Line, float]], str]:
    """Return the samples' values whose mean is the reported value, or why there are none."""
    if lines is None:
        return [], "no samples beside the results file"
    chosen = [line for line in lines if line.filter in ("", aggregate.filter)]
    found = [(line, _value(line.values.get(aggregate.metric))) for line in chosen]
    values = [(line, value) for line, value in found if value is not None]
    if not values or any(v is None and not _failed(line) for line, v in found):
        return [], "not every sample has a value"
    if len({line.id for line, _ in values}) != len(values):
        return [], "a sample has several values"
    mean = math.fsum(value for _, value in values) / len(values)
    for factor in (1.0, 100.0):
        if math.isclose(mean * factor, aggregate.value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            return [(line, value * factor) for line, value in values], ""
    return [], f"it is not the mean of its samples ({mean:g}, reported {aggregate.value:g})"


def _value(found: Json) -> float | None:
    """Return a sample's value: a number, or lmms-eval's object with a `score`."""
    if isinstance(found, Mapping):
        found = found.get("score")
    return float(found) if is_number(found) else None


def _failed(line: _Line) -> bool:
    """Tell whether a line is of a sample that failed, as our own export marks it."""
    said = line.values.get("mio")
    return isinstance(said, Mapping) and said.get("status") == "failed"


def _rows(
    metric: Metric, values: Sequence[tuple[_Line, float]], scale: float
) -> tuple[MetricRows | None, str]:
    """Make statistics in the columns of a metric that is a mean, or say why it cannot be."""
    width = len(metric.columns)
    if metric.columns[1:2] != ("count",):
        return None, f"{metric.name} is no mean of its samples' values"
    table = np.zeros((len(values), width))
    table[:, 0], table[:, 1] = [value * scale for _, value in values], 1.0
    unit = np.zeros(width)
    unit[:2] = 1.0
    table[:, 0] /= float(metric.score(unit))
    with np.errstate(all="ignore"):
        mean = float(metric.score(table.sum(axis=0)))
    expected = math.fsum(value * scale for _, value in values) / len(values)
    if not math.isclose(mean, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        return None, f"{metric.name} is no mean of its samples' values"
    scores = metric.per_sample(table)
    return (
        rows_of(
            (line.id, line.cluster, row.tolist(), float(score))
            for (line, _), row, score in zip(values, table, scores, strict=True)
        ),
        "",
    )


def _samples(results: Results, task: str, mapped: Mapped) -> list[_Line] | None:
    """Return the samples of a task, or of all tasks of a group; None when some were not kept."""
    leaves = results.leaves(task)
    found = []
    for leaf in leaves:
        lines = results.samples(leaf)
        if lines is None:
            return None
        short = leaf.removeprefix(f"{task}_") if leaf != task else ""
        found += [_line(line, short, mapped) for line in lines]
    return found


def _line(sample: Json, group: str, mapped: Mapped) -> _Line:
    own = "mio" in sample and not mapped.id_field  # written by our export: it has our ids
    name = str(_field(sample, mapped.id_field or ("doc.id" if own else "doc_id")))
    cluster = group or name
    if mapped.cluster_field or own:
        cluster = str(_field(sample, mapped.cluster_field or "doc.cluster"))
    return _Line(
        id=f"{group}/{name}" if group else name,
        cluster=cluster,
        content=str(sample.get("doc_hash", "")),
        filter=str(sample.get("filter", "")),
        values=sample,
    )


def _field(sample: Json, path: str) -> Json:
    value = sample
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise UsageError(
                f"a sample has no field {path!r}; its fields: {', '.join(sorted(sample))}"
            )
        value = value[name]
    if not isinstance(value, str | int):
        raise UsageError(f"field {path!r} of a sample is {value!r}; expected a name or a number")
    return value


def _config(results: Results, task: str) -> dict[str, Json]:
    """Return what the file says of a task's making, without what names the model or the memory."""
    found = (results.content.get("configs") or {}).get(task) or {}
    return {
        key: value
        for key, value in sorted(found.items())
        if key not in ("metadata", "model_specific_prompt_kwargs") and " at 0x" not in str(value)
    }


def _data(results: Results, task: str, lines: Sequence[_Line] | None) -> Json:
    count = results.sample_count(task)
    if lines is None:
        pairs: Json = [results.harness, task, count]
    else:
        pairs = sorted({(line.id, line.content) for line in lines})
        count = len(pairs)
    config = _config(results, task)
    return {
        "mode": results.harness,
        "reader": str(config.get("dataset_path") or "unknown"),
        "revision": str((config.get("dataset_kwargs") or {}).get("revision") or ""),
        "split": config.get("test_split") or "unknown",
        "split_expected": None,
        "limit": (results.content.get("config") or {}).get("limit"),
        "n": count or 0,
        "sha256": digest(pairs),
    }

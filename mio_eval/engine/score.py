"""The score stage: from journalled outputs to statistics, from statistics to scores.

Everything here can be done again offline, from the run directory alone; `verify` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import MioEvalError
from ..jsonio import dumps, write_atomic
from ..metrics.base import Array, Item, Metric, Statistics
from ..metrics.sets import SetMetric
from ..stats import CONFIDENCE, MIN_CLUSTERS, bootstrap_interval, column_sums
from ..types import Failure, Json, Score
from .annotate import read_annotations
from .columns import Fingerprint, Strings
from .groups import group_scores
from .journal import json_line, read_journal
from .rundir import REFERENCES, SAMPLES, STATS, SUBMISSION
from .sets import prepare_sets

_WINDOW = 4096  # samples whose statistics are computed at once
_FEW_CLUSTERS = 10  # below this a bootstrap interval is itself very uncertain


@dataclass(slots=True)
class Rows:
    """The statistics of one metric: sample ids, clusters, values of shape (n, columns)."""

    ids: Strings | list[str] = field(default_factory=Strings)
    clusters: Strings | list[str] = field(default_factory=Strings)
    blocks: list[Array] = field(default_factory=list)
    failed: int = 0

    def ordered(self, columns: int) -> tuple[Array, list[str]]:
        """Return values and clusters sorted by sample id: the order of the journal is chance."""
        values, order = self._sorted(columns)
        names: dict[str, str] = {}  # one string a cluster, not one a sample
        return values, [names.setdefault(c, c) for c in map(self.clusters.__getitem__, order)]

    def sorted_rows(self, columns: int) -> tuple[Array, list[str], list[str]]:
        """Return values, sample ids and clusters, sorted by sample id."""
        values, order = self._sorted(columns)
        return values, [self.ids[i] for i in order], [self.clusters[i] for i in order]

    def _sorted(self, columns: int) -> tuple[Array, Sequence[int]]:
        values = np.concatenate(self.blocks) if self.blocks else np.empty((0, columns))
        ids = self.ids if isinstance(self.ids, Strings) else Strings(self.ids)
        order = ids.order()
        return values[np.asarray(order, dtype=np.intp)], order


@dataclass(slots=True)
class Tally:
    """Counts over a task's samples."""

    expected: int = 0
    failed: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    references: tuple[int, int] = (0, 0)
    """Fewest and most references of a scored sample."""
    groups: dict[str, str] = field(default_factory=dict)
    """Sample id → group, of the samples that have one."""

    def saw(self, record: Json) -> None:
        """Count a record."""
        self.expected += 1
        if group := (record.get("meta") or {}).get("group"):
            self.groups[record["id"]] = str(group)
        if record["status"] != "ok":
            self.failed += 1
            stage = record["error"]["stage"]
            self.stages[stage] = self.stages.get(stage, 0) + 1
            return
        count = len(record["references"])
        low, high = self.references
        if count:  # without any, no metric scores a sample
            self.references = (min(low or count, count), max(high, count))


@dataclass(frozen=True, slots=True)
class TaskScores:
    """What the score stage found for a task."""

    scores: dict[str, Score]
    tally: Tally
    fingerprint: str
    absent: dict[str, str] = field(default_factory=dict)
    """Metrics that refuse this set of samples, with the reason."""
    groups: dict[str, Json] = field(default_factory=dict)
    """Metric → group → score."""


def write_references(folder: Path, references: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Keep the references of the whole split, which some metrics read (CIDEr's frequencies)."""
    write_atomic(
        folder / REFERENCES,
        (json_line({"id": i, "references": list(r)}) for i, r in references),
    )


def write_submission(folder: Path) -> None:
    """Write the finished answers in the form VQA's and VizWiz's evaluation servers take."""
    rows = [
        {**_question(record), "answer": record["output"]["text"]}
        for record in read_journal(folder / SAMPLES)
        if record["status"] == "ok"
    ]
    write_atomic(folder / SUBMISSION, [dumps(rows).encode(), b"\n"])


def _question(record: Json) -> Json:
    """Name a question as its server does: VizWiz's by the image, VQA's by a number."""
    if image := (record.get("meta") or {}).get("image"):
        return {"image": image}
    return {"question_id": int(record["id"]) if record["id"].isdecimal() else record["id"]}


def prepare_metrics(folder: Path, metrics: Sequence[Metric]) -> dict[str, str]:
    """Show metrics what they read beyond single samples: the split's references, the whole set.

    Returns the metrics that refuse the set, with the reason.
    """
    needing = [metric for metric in metrics if metric.needs_split]
    if needing:
        references = [tuple(row["references"]) for row in read_journal(folder / REFERENCES)]
        for metric in needing:
            metric.prepare(references)
    return prepare_sets(folder, [metric for metric in metrics if isinstance(metric, SetMetric)])


def score_task(folder: Path, metrics: Sequence[Metric], primary: str) -> TaskScores:
    """Score a task's finished samples; writes stats.jsonl atomically.

    A metric that refuses the set of samples (too few for FID) is absent with its reason; of the
    primary one there is a score without a value as well, so that the run does not pass for whole.
    """
    absent = prepare_metrics(folder, metrics)
    scoring = [metric for metric in metrics if metric.name not in absent]
    rows = {metric.name: Rows() for metric in scoring}
    tally = Tally()
    prints = Fingerprint()

    def lines() -> Iterator[bytes]:
        for line in statistics_lines(folder, scoring, rows, tally, prints):
            yield dumps(line).encode() + b"\n"

    write_atomic(folder / STATS, lines())
    scores = {
        metric.name: make_score(
            metric, rows.get(metric.name, Rows()), tally, metric.name == primary
        )
        for metric in metrics
        if metric.name not in absent or metric.name == primary
    }
    return TaskScores(
        scores,
        tally,
        prints.digest(),
        absent,
        make_groups(scoring, rows, tally),
    )


def make_groups(
    metrics: Sequence[Metric], rows: Mapping[str, Rows], tally: Tally
) -> dict[str, Json]:
    """Score every group of samples with every metric; nothing where samples have no groups."""
    found: dict[str, Json] = {}
    if not tally.groups:
        return found
    for metric in metrics:
        values, ids, clusters = rows[metric.name].sorted_rows(len(metric.columns))
        if scores := group_scores(metric, values, ids, clusters, tally.groups):
            found[metric.name] = scores
    return found


def statistics_lines(
    folder: Path,
    metrics: Sequence[Metric],
    rows: dict[str, Rows],
    tally: Tally,
    prints: Fingerprint,
) -> Iterator[Json]:
    """Compute statistics window by window, adding to `rows`; yield the lines of stats.jsonl."""

    def finished() -> Iterator[Json]:
        for record in read_journal(folder / SAMPLES):
            tally.saw(record)
            prints.append((record["id"], record["content"]))
            if record["status"] == "ok":
                yield record

    yield from score_records(finished(), metrics, rows, read_annotations(folder))


def score_records(
    records: Iterable[Json],
    metrics: Sequence[Metric],
    rows: dict[str, Rows],
    annotations: Mapping[str, dict[str, Json]] | None = None,
) -> Iterator[Json]:
    """Compute the statistics of finished samples; yield one line of stats.jsonl a sample."""
    window: list[Json] = []
    for record in records:
        window.append(record)
        if len(window) == _WINDOW:
            yield from _score_window(window, metrics, rows, annotations or {})
            window = []
    if window:
        yield from _score_window(window, metrics, rows, annotations or {})


def _score_window(
    records: Sequence[Json],
    metrics: Sequence[Metric],
    rows: dict[str, Rows],
    annotations: Mapping[str, dict[str, Json]],
) -> Iterator[Json]:
    lines: dict[str, dict[str, Json]] = {
        r["id"]: {"id": r["id"], "cluster": r["cluster"], "stats": {}, "scores": {}}
        for r in records
    }
    for metric in metrics:
        items: list[Item] = []
        for record in records:
            said = annotations.get(record["id"], {})
            failure = _missing_annotation(metric, said)
            if failure is not None:
                _fail(lines[record["id"]], metric, failure, rows[metric.name])
                continue
            items.append(_item(record, said))
        good, statistics = _statistics(metric, items, lines, rows[metric.name])
        if not good:
            continue
        scores = metric.per_sample(statistics.values)
        target = rows[metric.name]
        target.blocks.append(statistics.values)
        for number, item in enumerate(good):
            line = lines[item.id]
            target.ids.append(item.id)
            target.clusters.append(line["cluster"])
            line["stats"][metric.name] = statistics.values[number].tolist()
            line["scores"][metric.name] = _finite(float(scores[number]))
            if statistics.details is not None:
                line.setdefault("details", {})[metric.name] = statistics.details[number]
    yield from lines.values()


def _statistics(
    metric: Metric, items: list[Item], lines: dict[str, dict[str, Json]], rows: Rows
) -> tuple[list[Item], Statistics]:
    """Compute statistics for a window; if that fails, sample by sample: one cannot spoil all."""
    empty = Statistics(np.empty((0, len(metric.columns))))
    if not items:
        return [], empty
    try:
        return items, metric.statistics(items)
    except MioEvalError:
        raise  # a missing program or a full disk is no sample's fault
    # The per-sample boundary of scoring.
    except Exception:
        good: list[Item] = []
        parts: list[Statistics] = []
        for item in items:
            try:
                parts.append(metric.statistics([item]))
            except Exception as error:
                _fail(lines[item.id], metric, Failure.of("score", error), rows)
                continue
            good.append(item)
        if not good:
            return [], empty
        values = np.concatenate([part.values for part in parts])
        if parts[0].details is None:
            return good, Statistics(values)
        return good, Statistics(values, [d for part in parts for d in part.details or ()])


def _item(record: Json, annotations: dict[str, Json]) -> Item:
    return Item(
        id=record["id"],
        text=record["output"].get("text", ""),
        references=tuple(record["references"]),
        annotations={name: line["value"] for name, line in annotations.items()},
        meta=record.get("meta") or {},
    )


def _missing_annotation(metric: Metric, annotations: dict[str, Json]) -> Failure | None:
    for name in metric.annotators:
        line = annotations.get(name)
        if line is None:
            return Failure("annotate", "NoAnnotation", f"{name} has not judged this output")
        if line["status"] != "ok":
            return Failure("annotate", line["error"]["type"], line["error"]["message"])
    return None


def _fail(line: dict[str, Json], metric: Metric, failure: Failure, rows: Rows) -> None:
    rows.failed += 1
    error = {"stage": failure.stage, "type": failure.type, "message": failure.message}
    line.setdefault("errors", {})[metric.name] = error


def make_score(metric: Metric, rows: Rows, tally: Tally, primary: bool) -> Score:
    """Turn a metric's statistics into its score. Without a scored sample the value is None."""
    values, clusters = rows.ordered(len(metric.columns))
    low = high = value = None
    note = "no sample was scored"
    if len(values):
        value = _finite(float(metric.score(column_sums(values))))
        interval = bootstrap_interval(values, clusters, metric.score)
        low, high = interval.low, interval.high
        notes = [metric.note(values)]
        if value is None:
            notes.append("undefined on these samples")
        elif reason := metric.no_interval(values):
            low = high = None
            notes.append(f"no interval: {reason}")
        elif interval.low is None:
            few = interval.clusters < MIN_CLUSTERS
            reason = "a single cluster" if few else "undefined on some resamples"
            notes.append(f"no interval: {reason}")
        elif interval.clusters < _FEW_CLUSTERS:
            notes.append(f"interval from {interval.clusters} clusters only")
        if low is not None and low == high:
            notes.append("interval without width: every resample gives this value")
        note = "; ".join(filter(None, notes))
    fewest, most = tally.references
    references = str(fewest) if fewest == most else f"{fewest}-{most}"
    return Score(
        metric=metric.name,
        value=value,
        ci_low=low,
        ci_high=high,
        n_expected=tally.expected,
        n_scored=len(values),
        n_failed=tally.failed + rows.failed,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        signature=metric.signature(len(values), references if metric.counts_references else None),
        primary=primary,
        confidence=CONFIDENCE,
        note=note,
    )


def score_json(score: Score) -> Json:
    """Write a score with the contract's keys."""
    return {
        "value": score.value,
        "ci_low": score.ci_low,
        "ci_high": score.ci_high,
        "confidence": score.confidence,
        "n_expected": score.n_expected,
        "n_scored": score.n_scored,
        "n_failed": score.n_failed,
        "unit": score.unit,
        "higher_is_better": score.higher_is_better,
        "signature": score.signature,
        "primary": score.primary,
        "note": score.note,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

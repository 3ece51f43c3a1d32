"""Reads what a run left: scores, samples and per-sample statistics, without model or torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .engine.journal import read_journal
from .engine.rundir import SAMPLES, STATS, RunDirectory
from .errors import UsageError, unknown
from .metrics import get_metric
from .metrics.base import Metric
from .metrics.imported import Imported
from .types import Json

if TYPE_CHECKING:
    import pandas

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MetricRows:
    """The statistics of one metric on one task, a row a scored sample, sorted by id."""

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    values: Array
    """(n, columns of the metric)"""
    scores: tuple[float | None, ...]
    """The sample's own score, on the metric's scale."""

    def take(self, ids: Sequence[str]) -> MetricRows:
        """Keep the rows of these ids, which must be there, in the order given."""
        at = {name: number for number, name in enumerate(self.ids)}
        order = [at[name] for name in ids]
        return MetricRows(
            tuple(ids),
            tuple(self.clusters[i] for i in order),
            self.values[order],
            tuple(self.scores[i] for i in order),
        )


@dataclass
class Run:
    """A run directory, read lazily: `.scores`, `.samples` and `.statistics` are pandas frames."""

    path: Path
    data: Json = field(repr=False)
    """run.json"""

    @property
    def name(self) -> str:
        """The run's id: the name of its directory."""
        return self.path.resolve().name

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.data["model"]["name"])

    @property
    def tasks(self) -> list[str]:
        """The tasks that have results."""
        return list(self.data["results"])

    def folder(self, task: str) -> Path:
        """Return the folder of a task. Raises UsageError for a task the run has not."""
        if task not in self.data["tasks"]:
            raise unknown(f"task of run {self.path}", task, self.data["tasks"])
        return self.path / str(self.data["tasks"][task]["directory"])

    def rows(self, task: str, metric: str) -> MetricRows | None:
        """Return the statistics of a metric's scored samples; None when none are stored."""
        return self._rows(task).get(metric)

    def _rows(self, task: str) -> Mapping[str, MetricRows]:
        if task not in self._read:
            self._read[task] = read_rows(self.folder(task) / STATS)
        return self._read[task]

    @cached_property
    def _read(self) -> dict[str, Mapping[str, MetricRows]]:
        return {}

    def records(self, task: str) -> Iterator[Json]:
        """Yield the records of a task's samples.jsonl."""
        return read_journal(self.folder(task) / SAMPLES)

    @cached_property
    def scores(self) -> pandas.DataFrame:
        """A row a task and metric: value, interval, counts, unit, signature."""
        rows = [
            {"task": task, "metric": metric, **score}
            for task, scores in self.data["results"].items()
            for metric, score in scores.items()
        ]
        return _frame(rows, ["task", "metric", "value", "ci_low", "ci_high"])

    @cached_property
    def samples(self) -> pandas.DataFrame:
        """A row a sample, by id: status, prompt, output, error, references, a column a metric."""
        rows = []
        for task in self.tasks:
            scored = {
                name: dict(zip(found.ids, found.scores, strict=True))
                for name, found in self._rows(task).items()
            }
            # The order of the journal is chance.
            records = sorted(self.records(task), key=lambda record: str(record["id"]))
            rows += [_sample(task, record, scored) for record in records]
        return _frame(rows, ["task", "id", "status", "text", "media", "error"])

    @cached_property
    def statistics(self) -> pandas.DataFrame:
        """A row a sample, metric and column of the metric's statistics: `value`."""
        rows = []
        for task in self.tasks:
            for name, found in self._rows(task).items():
                columns = metric_of(self.data, task, name).columns
                for i, sample in enumerate(found.ids):
                    rows += [
                        {
                            "task": task,
                            "id": sample,
                            "cluster": found.clusters[i],
                            "metric": name,
                            "column": column,
                            "value": float(value),
                        }
                        for column, value in zip(columns, found.values[i], strict=True)
                    ]
        return _frame(rows, ["task", "id", "cluster", "metric", "column", "value"])


def load_run(path: str | Path) -> Run:
    """Open a run directory. Raises UsageError when it is none."""
    folder = Path(path)
    return Run(folder, RunDirectory(folder).read())


def metric_of(data: Json, task: str, name: str) -> Metric:
    """Build a metric as a run had it: settings, modality of outputs, judges."""
    facts = data["tasks"][task]
    if name in facts.get("imported", ()):
        return Imported(data["results"][task][name])
    metric = get_metric(name, **facts["metrics"][name])
    metric.bind(facts.get("output", "text"), facts.get("judges", {}))
    return metric


def read_rows(path: Path) -> Mapping[str, MetricRows]:
    """Read stats.jsonl. Raises UsageError for a file that is damaged."""
    found: dict[str, list[tuple[str, str, Json, float | None]]] = {}
    try:
        for line in read_journal(path):
            for name, values in line["stats"].items():
                score = line["scores"].get(name)
                found.setdefault(name, []).append((line["id"], line["cluster"], values, score))
        return {name: rows_of(rows) for name, rows in found.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is damaged ({type(error).__name__}: {error}); make it anew with: "
            f"mio-eval score {path.parent.parent}"
        ) from error


def rows_of(rows: Iterable[tuple[str, str, Json, float | None]]) -> MetricRows:
    """Put rows (id, cluster, values, score) into arrays, sorted by id."""
    ordered = sorted(rows, key=lambda row: row[0])
    ids, clusters, values, scores = zip(*ordered, strict=True)
    if len(set(ids)) != len(ids):
        raise ValueError("a sample stands there twice")
    return MetricRows(ids, clusters, np.array(values, dtype=np.float64), scores)


def _sample(task: str, record: Json, scored: Mapping[str, Mapping[str, float | None]]) -> Json:
    output = record.get("output") or {}
    error = record.get("error")
    media = next((output[kind] for kind in ("image", "audio", "video") if kind in output), None)
    return {
        "task": task,
        "id": record["id"],
        "status": record["status"],
        "prompt": record.get("prompt"),
        "text": output.get("text"),
        "media": media,
        "error": f"{error['stage']}: {error['type']}: {error['message']}" if error else None,
        "references": record.get("references"),
        "cluster": record.get("cluster"),
        **{name: values.get(record["id"]) for name, values in scored.items()},
    }


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "data frames need pandas, which is not installed; install it: "
            'pip install "mio-eval[pandas]" (run.data and run.rows() work without)'
        ) from error
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)

"""Baseline files: the part of a run that comparing needs, small enough to keep in git."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import UsageError
from ..jsonio import digest, dumps, write_atomic
from ..load import MetricRows, load_run, metric_of
from ..types import Json

FORMAT = "mio-eval/baseline-1"
_RUN_KEYS = ("status", "reason", "model", "tasks", "data", "results", "seeds", "started", "ended")


@dataclass(frozen=True)
class Baseline:
    """A baseline file: as a run, without samples; per-sample statistics when it holds them."""

    path: Path
    data: Json = field(repr=False)
    statistics: Json = field(repr=False)

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return self.path.name

    def rows(self, task: str, metric: str) -> MetricRows | None:
        """Return per-sample statistics; None when the file holds aggregates alone."""
        stored = self.statistics.get(task)
        if stored is None or metric not in stored["metrics"]:
            return None
        values = np.array(stored["metrics"][metric]["values"], dtype=np.float64)
        at = stored["metrics"][metric].get("at")  # samples scored; all where absent
        ids, clusters = stored["ids"], stored["clusters"]
        if at is not None:
            ids, clusters = [ids[i] for i in at], [clusters[i] for i in at]
        if len(values) != len(ids):
            raise UsageError(
                f"{self.path}: {task}: {metric}: {len(values)} rows for {len(ids)} ids"
            )
        with np.errstate(all="ignore"):
            scores = metric_of(self.data, task, metric).per_sample(values)
        finite = [float(s) if np.isfinite(s) else None for s in scores]
        return MetricRows(tuple(ids), tuple(clusters), values, tuple(finite))

    def records(self, task: str) -> Iterator[Json]:
        """Yield nothing: a baseline file holds no outputs."""
        return iter(())


def is_baseline(path: Path) -> bool:
    """Tell whether a path is a file, and so can only be a baseline."""
    return path.is_file()


def write_baseline(run: Path, target: Path, *, aggregates: bool = False) -> Path:
    """Write a baseline file from a complete run. Raises UsageError for another.

    Args:
        aggregates: leave the per-sample statistics out; comparisons are then unpaired.
    """
    loaded = load_run(run)
    if loaded.data["status"] != "complete":
        raise UsageError(
            f"{run}: status is {loaded.data['status']}; a baseline is made of a complete run"
        )
    statistics: dict[str, dict[str, MetricRows | None]] = {}
    for task, scores in loaded.data["results"].items():
        if not aggregates:
            statistics[task] = {m: loaded.rows(task, m) for m in scores}
    return write_content(target, loaded.data, statistics)


def write_content(
    target: Path, data: Json, statistics: Mapping[str, Mapping[str, MetricRows | None]]
) -> Path:
    """Write a baseline file of what run.json says, and of task → metric → statistics."""
    content = {
        "format": FORMAT,
        "mio_eval": __version__,
        "run": {key: data[key] for key in _RUN_KEYS},
        "statistics": {task: _statistics(rows) for task, rows in statistics.items()},
    }
    content["sha256"] = digest(content)
    write_atomic(target, [dumps(content).encode(), b"\n"])
    return target


def _statistics(rows: Mapping[str, MetricRows | None]) -> Json:
    ids: dict[str, str] = {}
    for found in rows.values():
        if found is not None:
            ids |= dict(zip(found.ids, found.clusters, strict=True))
    names = sorted(ids)
    number = {name: i for i, name in enumerate(names)}
    metrics: dict[str, Json] = {}
    for metric, found in rows.items():
        if found is None:
            continue
        # Whole numbers, which most statistics are, are shorter without ".0".
        values = [[int(v) if v.is_integer() else v for v in row] for row in found.values.tolist()]
        metrics[metric] = {"values": values}
        if len(found.ids) != len(names):
            metrics[metric]["at"] = [number[name] for name in found.ids]
    return {"ids": names, "clusters": [ids[name] for name in names], "metrics": metrics}


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file. Raises UsageError when it is none, or was changed."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read baseline {path}: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(
            f"{path} is no baseline file of format {FORMAT}; "
            f"make one with: mio-eval gate baseline RUN -o {path}"
        )
    stated = content.pop("sha256", None)
    if stated != digest(content):
        raise UsageError(
            f"{path}: its sha256 does not fit its content; the file was changed, make it anew "
            "with: mio-eval gate baseline RUN -o FILE"
        )
    return Baseline(path, content["run"], content["statistics"])

"""Turns results of other harnesses into baseline files for `compare` and `gate`.

A definition is never taken over by its name: what is imported bears `via:HARNESS` in its signature,
so that nothing compares it with a score of ours unless told to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..comparison.baseline import write_content
from ..errors import UsageError, unknown
from ..load import MetricRows
from .harness import Results, read_lm_eval, read_lmms_eval
from .scores import Mapped, imported_task

HARNESSES: Mapping[str, Callable[[Path], Results]] = {
    "lm-eval": read_lm_eval,
    "lmms-eval": read_lmms_eval,
}
Statistics: TypeAlias = dict[str, dict[str, MetricRows | None]]

__all__ = ["HARNESSES", "Imported", "import_results"]


@dataclass(frozen=True, slots=True)
class Imported:
    """A baseline file that was written, and what went into it."""

    path: Path
    rows: tuple[tuple[str, str, str], ...]
    """(task, metric, how: paired or unpaired and why) of every score."""
    left_out: tuple[str, ...] = field(default=())
    """What the file had that is no score, with the reason."""


def import_results(
    path: str | Path,
    harness: str,
    out: str | Path,
    *,
    tasks: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    scales: Mapping[str, float] | None = None,
    id_field: str = "",
    cluster_field: str = "",
) -> Imported:
    """Write a baseline file from another harness's results.

    Args:
        path: its results file, or a folder with one.
        harness: a name of `HARNESSES`.
        tasks: their task or group → our task's name; only these, when given.
        metrics: their metric → our metric.
        scales: their metric → what to multiply its values by.
        id_field, cluster_field: where a sample's line has its id and cluster, such as `doc.id`;
            `doc_id` and none by default.

    Raises UsageError for files that are none, names that are not there, and a scale that must be
    stated.
    """
    if harness not in HARNESSES:
        raise unknown("harness", harness, HARNESSES)
    results = HARNESSES[harness](Path(path))
    mapped = Mapped(metrics or {}, scales or {}, id_field, cluster_field)
    names = dict(tasks) if tasks else {task: task for task in results.tasks}
    for name in names:
        if name not in results.tasks:
            raise unknown(f"task of {results.path}", name, results.tasks)
    if len(set(names.values())) != len(names):
        raise UsageError("--task: two tasks are given one name")
    data = results.run_data()
    statistics: Statistics = {}
    rows: list[tuple[str, str, str]] = []
    left_out: list[str] = []
    for theirs, ours in names.items():
        found = imported_task(results, theirs, mapped)
        left_out += [f"{ours}: {reason}" for reason in found.left_out]
        if not found.scores:
            left_out.append(f"{ours}: no score")
            continue
        data["tasks"][ours] = found.facts
        data["data"][ours] = found.data
        data["results"][ours] = found.scores
        statistics[ours] = found.rows
        rows += [(ours, metric, found.how[metric]) for metric in found.scores]
    mapped.check_used()
    if not rows:
        raise UsageError(f"{results.path} has no score to import: {'; '.join(left_out)}")
    paired = {t: {m: r for m, r in found.items() if r} for t, found in statistics.items()}
    target = Path(out)
    try:
        write_content(target, data, {t: found for t, found in paired.items() if found})
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    return Imported(target, tuple(rows), tuple(left_out))

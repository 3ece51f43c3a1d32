"""Published rows as one side of a comparison: values without per-sample data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError, unknown
from ..load import metric_of
from ..stats import mean_standard_error, pseudo_values
from .differences import Difference
from .pairing import Result, Settings, check_finished, unpaired_row
from .results import Comparison

if TYPE_CHECKING:  # tasks are read only when a published row is asked for
    from ..tasks.schema import Published

PREFIX = "published:"
_ASSUMED = (
    "the published row has no per-sample data; its standard error is taken to be this run's, "
    "and its definition to be the task's protocol"
)
# Which field a table's flag belongs to.
_FLAGS = {
    "SAMPLE": "data",
    "LIMIT": "data",
    "INCOMPLETE DATA": "data",
    "OTHER SPLIT": "split",
    "OTHER SETTINGS": "signature",
    "SUBSTITUTE": "judges",
    "OTHER JUDGE": "judges",
}


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A model of the published tables."""

    model: str

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return f"{PREFIX}{self.model}"

    def values(self, task: str) -> dict[str, float]:
        """Return the model's published values by our metric's name."""
        return _values(task).get(self.model.lower(), {})


def find_published(name: str, tasks: list[str]) -> PublishedResult:
    """Find a model by its name in the published tables of these tasks.

    `MIO-Base` finds `MIO-Base (7B)` where no other size is published. Raises UsageError.
    """
    known = sorted({model for task in tasks for model in _names(task)})
    wanted = name.lower()
    exact = [model for model in known if model.lower() == wanted]
    near = exact or [model for model in known if model.lower().partition(" (")[0] == wanted]
    if len({model.lower() for model in near}) > 1:
        raise UsageError(f"published:{name} is several rows: {', '.join(near)}; give one of them")
    if not near:
        raise unknown("published row for these tasks", name, known)
    return PublishedResult(near[0])


def compare_published(
    task: str, first: Result | PublishedResult, second: Result | PublishedResult, settings: Settings
) -> tuple[list[Comparison], list[Difference]]:
    """Compare a run with a published row, unpaired; returns rows, and how the protocol differs."""
    run, row = (second, first) if isinstance(first, PublishedResult) else (first, second)
    assert isinstance(row, PublishedResult)
    assert not isinstance(run, PublishedResult)
    check_finished(run)
    values = row.values(task)
    scores = run.data["results"][task]
    shared = [name for name in scores if name in values]
    found = []
    for name in shared:
        score = scores[name]
        error = _standard_error(run, task, name)
        ends = (values[name], score["value"]) if row is first else (score["value"], values[name])
        difference = None if None in ends else ends[1] - ends[0]
        blank = Comparison(
            task=task,
            metric=name,
            unit=score["unit"],
            higher_is_better=score["higher_is_better"],
            primary=bool(score["primary"]),
            first=first.name,
            second=second.name,
            method="unpaired",
            value_first=ends[0],
            value_second=ends[1],
            difference=difference,
            signature=score["signature"],
        )
        if score["n_failed"]:
            count = f"{score['n_failed']} of {score['n_expected']}"
            blank = replace(blank, notes=(f"FAILED SAMPLES: {count} in {run.name}",))
        found.append(unpaired_row(blank, error, error, settings, _ASSUMED))
    return found, _protocol(task, shared, run) if shared else []


def _protocol(task: str, metrics: list[str], run: Result) -> list[Difference]:
    """List the ways in which the run's scores are not what the published row was measured as."""
    from ..report.matrix import cell_flags
    from ..report.tables import task_tables

    table = next(table for table in task_tables(run.data) if table.name == task)
    own = [flag for metric in metrics for flag in cell_flags(task, metric, run.data)]
    found = []
    for flag in dict.fromkeys([*table.flags, *own]):
        name, _, said = flag.partition(": ")
        if field := _FLAGS.get(name):
            found.append(Difference(task, f"{field}.published", said, "the published protocol"))
    return found


def _standard_error(run: Result, task: str, metric: str) -> float | None:
    """Return the jackknife's standard error of a score, None without per-sample statistics."""
    rows = run.rows(task, metric)
    kind = metric_of(run.data, task, metric)
    if rows is None or kind.no_interval(rows.values):
        return None
    with np.errstate(all="ignore"):
        pseudo, names = pseudo_values(rows.values, rows.clusters, kind.score)
    if len(names) < 2 or not np.all(np.isfinite(pseudo)):
        return None
    return mean_standard_error(pseudo)


def _names(task: str) -> list[str]:
    from ..report.published import published_table

    return [row.model for spec in _specs(task) for row in published_table(spec).rows]


def _values(task: str) -> dict[str, dict[str, float]]:
    from ..report.published import published_table

    found: dict[str, dict[str, float]] = {}
    for spec in _specs(task):
        table = published_table(spec)
        for row in table.rows:
            for metric, text in zip(table.metrics, row.values, strict=True):
                try:
                    value = float(text)
                except ValueError:  # a dash: the paper has no number
                    continue
                found.setdefault(row.model.lower(), {})[metric] = value
    return found


def _specs(task: str) -> tuple[Published, ...]:
    from ..tasks import get_task

    try:
        return get_task(task).file.published
    except UsageError:
        return ()

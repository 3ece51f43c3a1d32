"""Layouts: which columns a table of many runs has. `auto`, or the shape of a paper's table.

A paper's table is a group of tasks (tasks/groups.toml) such as `mio_table3`: its columns are the
metrics for which those tasks name published rows of that table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import UsageError, unknown
from ..metrics import metric_class
from ..tasks import get_tasks, task_groups
from .known import forget, task_of
from .matrix import Column, title_of
from .runs import Run

AUTO = "auto"
_TABLE = re.compile(r"(?P<paper>\w+?)_table(?P<number>\w+)")


def layout_names() -> list[str]:
    """Return the names that --layout takes."""
    return [AUTO, *(n.replace("_", "-") for n in task_groups() if _TABLE.fullmatch(n))]


def columns_of(layout: str, runs: Sequence[Run]) -> list[Column]:
    """Return the columns of a layout. Raises UsageError for an unknown one."""
    forget()
    if layout == AUTO:
        return _auto(runs)
    name = layout.replace("-", "_")
    match = _TABLE.fullmatch(name)
    if match is None or name not in task_groups():
        raise unknown("layout", layout, layout_names())
    columns = []
    for task in get_tasks([name]):
        for spec in task.file.published:
            if spec.table != match["number"]:
                continue
            for metric in spec.metrics:
                columns.append(
                    Column(
                        task=task.name,
                        metric=metric,
                        title=spec.dataset,
                        metric_title=title_of(metric),
                        unit=metric_class(metric).unit,
                        higher_is_better=metric_class(metric).higher_is_better,
                        published=spec.table,
                    )
                )
    if not columns:
        raise UsageError(f"layout {layout}: none of its tasks names published rows of that table")
    return columns


def _auto(runs: Sequence[Run]) -> list[Column]:
    """One column for the primary metric of every task that any of the runs has."""
    columns: dict[tuple[str, str], Column] = {}
    for run in runs:
        for task, scores in run.data["results"].items():
            for metric, score in scores.items():
                if score["primary"]:
                    columns.setdefault(
                        (task, metric),
                        Column(
                            task=task,
                            metric=metric,
                            title=task,
                            metric_title=title_of(metric),
                            unit=score["unit"],
                            higher_is_better=score["higher_is_better"],
                            published=_first_table(task, metric),
                        ),
                    )
    return list(columns.values())


def _first_table(name: str, metric: str) -> str:
    try:
        task = task_of(name)
    except UsageError:
        return ""
    return next((s.table for s in task.file.published if metric in s.metrics), "")


def layout_title(layout: str) -> str:
    """Return the caption of a layout."""
    match = _TABLE.fullmatch(layout.replace("-", "_"))
    if match is None:
        return "Results"
    return f"Columns as in {match['paper'].upper()}, Table {match['number']}"

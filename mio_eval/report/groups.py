"""The scores of groups of samples, as small tables under a task's own."""

from __future__ import annotations

from dataclasses import dataclass

from ..display import one_line
from ..errors import UsageError
from ..metrics import metric_class
from ..types import Json
from .tables import number

HEADER = ("group", "value", "95 % interval", "scored", "failed")
MOST_SHOWN = 20  # on a terminal; MMLU has 57 subjects


@dataclass(frozen=True, slots=True)
class GroupTable:
    """One metric's scores of a task's groups: a row a group, as in `HEADER`."""

    title: str
    rows: tuple[tuple[str, ...], ...]


def group_tables(data: Json, task: str) -> list[GroupTable]:
    """Build the tables of a task's groups from run.json; none where samples have no groups."""
    tables = []
    for metric, groups in data.get("groups", {}).get(task, {}).items():
        unit = data["results"].get(task, {}).get(metric, {}).get("unit", "")
        try:
            title = metric_class(metric).title
        except UsageError:  # the plug-in is gone: the run still has its numbers
            title = metric
        rows = tuple(_row(name, score, unit) for name, score in groups.items())
        tables.append(GroupTable(f"{title} by group", rows))
    return tables


def _row(name: str, score: Json, unit: str) -> tuple[str, ...]:
    interval = "–"
    if score["ci_low"] is not None:
        interval = f"[{number(score['ci_low'], unit)}, {number(score['ci_high'], unit)}]"
    scored = score["n_scored"]
    total = scored + score["n_failed"]
    value = number(score["value"], unit)
    return one_line(name), value, interval, f"{scored}/{total}", str(score["n_failed"])

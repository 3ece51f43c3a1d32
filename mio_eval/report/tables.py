"""The tables of a run, as data: what terminal and Markdown both print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..display import one_line
from ..errors import UsageError
from ..metrics import metric_class
from ..tasks import Task, get_task
from ..types import Json
from .flags import data_flags, judge_flags, other_settings, partial, short
from .published import PublishedTable, published_table


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of a task, formatted."""

    label: str
    title: str
    value: str
    interval: str
    scored: str
    failed: str
    note: str
    signature: str
    primary: bool


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """Published rows with ours on top."""

    title: str
    columns: tuple[str, ...]
    own: tuple[str, ...]
    """Our model with its flags, then a value a column."""
    rows: tuple[tuple[str, ...], ...]
    """Model, a value a column, the split as the source states it."""
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The table of one task."""

    name: str
    directory: str
    title: str
    model: str
    flags: tuple[str, ...]
    rows: tuple[MetricRow, ...]
    absent: dict[str, str]
    failures: dict[str, int]
    published: tuple[ComparedTable, ...] = ()
    notes: tuple[str, ...] = field(default=())


def task_tables(data: Json) -> list[TaskTable]:
    """Build the tables of a run from its run.json."""
    return [_task_table(name, data) for name in data["tasks"] if name in data["results"]]


def _task_table(name: str, data: Json) -> TaskTable:
    facts, source, scores = data["tasks"][name], data["data"][name], data["results"][name]
    model = one_line(data["model"]["name"])
    rows = tuple(_metric_row(metric, score) for metric, score in scores.items())
    try:
        task = get_task(name)
    except UsageError:  # the task file is gone: the run still has its numbers
        return TaskTable(
            name=name,
            directory=facts["directory"],
            title=name,
            model=model,
            flags=data_flags(source, None) + partial(scores.get(facts["primary"])),
            rows=rows,
            absent=facts["absent"],
            failures=facts["failures"],
            notes=_notes(rows),
        )
    specs = task.file.published
    flags = data_flags(source, specs[0].comparable_split if specs else None)
    flags += partial(scores.get(facts["primary"]))
    if facts["primary"] in scores:
        flags += other_settings(task, facts, facts["primary"]) + judge_flags(task, facts)
    published = []
    for spec in specs:
        shown = (*flags, *_other_flags(task, facts, scores, spec.metrics))
        own = f"{model} [{short(shown)}]" if shown else model
        published.append(_compared(published_table(spec), own, scores))
    return TaskTable(
        name=name,
        directory=facts["directory"],
        title=task.file.title,
        model=model,
        flags=flags,
        rows=rows,
        absent=facts["absent"],
        failures=facts["failures"],
        published=tuple(table for table in published if table.rows),
        notes=_notes(rows),
    )


def _other_flags(task: Task, facts: Json, scores: Json, metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the flags of a published table's metrics beside the primary one's."""
    found: tuple[str, ...] = ()
    for metric in metrics:
        if metric in scores and metric != facts["primary"]:
            found += partial(scores[metric])
            if metric in task.file.metrics:
                found += other_settings(task, facts, metric)
    return found


def _compared(table: PublishedTable, own: str, scores: Json) -> ComparedTable:
    """Put our values into a published table's columns; a metric we have not stays a dash."""
    values = (scores.get(metric) for metric in table.metrics)
    return ComparedTable(
        title=f"published: {table.source}",
        columns=table.columns,
        own=(own, *(number(score["value"], score["unit"]) if score else "–" for score in values)),
        rows=tuple((row.model, *row.values, row.split) for row in table.rows),
        remarks=tuple(f"{row.model}: {row.remark}" for row in table.rows if row.remark),
    )


def _notes(rows: Sequence[MetricRow]) -> tuple[str, ...]:
    """Write each note once, with the metrics it concerns."""
    concerned: dict[str, list[str]] = {}
    for row in rows:
        for note in filter(None, row.note.split("; ")):
            concerned.setdefault(note, []).append(row.label)
    return tuple(f"{note} ({', '.join(labels)})" for note, labels in concerned.items())


def _metric_row(metric: str, score: Json) -> MetricRow:
    try:
        title = metric_class(metric).title
    except UsageError:
        title = metric
    arrow = "↑" if score["higher_is_better"] else "↓"
    unit = f" {score['unit']}" if score["unit"] and score["unit"] != "×100" else ""
    return MetricRow(
        label=title,
        title=f"{title}{unit} {arrow}",
        value=number(score["value"], score["unit"]),
        interval=_interval(score),
        scored=f"{score['n_scored']}/{score['n_expected']}",
        failed=str(score["n_failed"]),
        note=score.get("note") or "",
        signature=score["signature"],
        primary=score["primary"],
    )


def _interval(score: Json) -> str:
    if score["ci_low"] is None:
        return "–"
    unit = score["unit"]
    return f"[{number(score['ci_low'], unit)}, {number(score['ci_high'], unit)}]"


def number(value: float | None, unit: str) -> str:
    """Format as published tables do: two decimals, four for unscaled values (SSIM)."""
    if value is None:
        return "–"
    return f"{value:.2f}" if unit else f"{value:.4f}"


def verdict(path: Path, data: Json) -> str:
    """Say in one line how the run ended."""
    if data["status"] == "complete":
        return one_line(f"complete: {path}")
    return one_line(f"{data['status'].upper()}: {data['reason'] or 'not finished'} ({path})")

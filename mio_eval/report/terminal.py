"""Prints a run's tables on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..types import Json
from .groups import HEADER, MOST_SHOWN, GroupTable, group_tables
from .tables import ComparedTable, TaskTable, task_tables, verdict


def print_run(path: Path, data: Json, console: Console | None = None) -> None:
    """Print every task's table, then how the run ended."""
    console = console or Console(soft_wrap=False)
    for table in task_tables(data):
        _print_task(table, console)
        for group in group_tables(data, table.name):
            _print_group(group, console)
    for task, reason in data.get("skipped", {}).items():
        _plain(console, f"skipped: {task}: {reason}")
    _plain(console, verdict(path, data))


def _print_task(task: TaskTable, console: Console) -> None:
    console.print()
    console.print(Text(f"{task.name} · {task.title} · model {task.model}", style="bold"))
    for flag in task.flags:
        console.print(Text(flag, style="bold yellow"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("metric", "value", "95 % interval", "scored", "failed"):
        table.add_column(header, justify="left" if header == "metric" else "right", no_wrap=True)
    for row in task.rows:
        cells = (row.title, row.value, row.interval, row.scored, row.failed)
        table.add_row(*map(Text, cells), style="bold" if row.primary else None)
    console.print(table)
    for metric, reason in task.absent.items():
        _plain(console, f"absent: {metric}: {reason}")
    for stage, count in task.failures.items():
        _plain(console, f"failed at {stage}: {count} (see {task.directory}/samples.jsonl)")
    for note in task.notes:
        _plain(console, f"note: {note}")
    for row in task.rows:
        _plain(console, row.signature)
    for published in task.published:
        _print_published(published, console)


def _print_group(group: GroupTable, console: Console) -> None:
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=group.title)
    table.title_justify = "left"
    for header in HEADER:
        table.add_column(header, justify="left" if header == "group" else "right", no_wrap=True)
    for row in group.rows[:MOST_SHOWN]:
        table.add_row(*map(Text, row))
    console.print(table)
    if len(group.rows) > MOST_SHOWN:
        _plain(console, f"{len(group.rows) - MOST_SHOWN} more groups: see report.md")


def _print_published(published: ComparedTable, console: Console) -> None:
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=published.title)
    table.title_justify = "left"
    table.add_column("model")
    for column in published.columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("split, as published")
    table.add_row(*map(Text, published.own), "", style="bold")
    for row in published.rows:
        table.add_row(*map(Text, row))
    console.print(table)
    for remark in published.remarks:
        _plain(console, f"remark: {remark}")


def _plain(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)

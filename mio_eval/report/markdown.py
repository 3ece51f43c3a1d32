"""Writes a run's tables as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

from ..display import one_line
from ..jsonio import write_atomic
from ..types import Json
from .groups import HEADER, GroupTable, group_tables
from .tables import TaskTable, task_tables, verdict

REPORT = "report.md"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def write_report(path: Path, data: Json) -> Path:
    """Write report.md into a run directory and return its path."""
    target = path / REPORT
    write_atomic(target, [markdown(path, data).encode()])
    return target


def markdown(path: Path, data: Json) -> str:
    """Return a run's report as Markdown."""
    blocks = [
        f"# mio-eval: {escape(data['model']['name'])}",
        escape(verdict(Path(path.name), data)),
    ]
    for table in task_tables(data):
        blocks += _task_blocks(table)
        for group in group_tables(data, table.name):
            blocks += [escape(group.title), group_block(group)]
    if skipped := data.get("skipped"):
        lines = [f"- {escape(f'skipped: {task}: {why}')}" for task, why in skipped.items()]
        blocks.append("\n".join(lines))
    blocks.append(_made_with(data))
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Make text harmless inside Markdown: no markup, no HTML, one line."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _task_blocks(task: TaskTable) -> list[str]:
    blocks = [f"## {escape(task.name)}", escape(task.title)]
    blocks += [f"**{escape(flag)}**" for flag in task.flags]
    header = ["metric", "value", "95 % interval", "scored", "failed"]
    blocks.append(
        table(header, [[r.title, r.value, r.interval, r.scored, r.failed] for r in task.rows])
    )
    lines = [f"absent: {m}: {reason}" for m, reason in task.absent.items()]
    lines += [f"failed at {stage}: {count}" for stage, count in task.failures.items()]
    lines += list(task.notes)
    if lines:
        blocks.append("\n".join(f"- {escape(line)}" for line in lines))
    blocks.append("\n".join(f"- `{row.signature}`" for row in task.rows))
    for published in task.published:
        header = ["model", *published.columns, "split, as published"]
        blocks.append(escape(published.title))
        blocks.append(table(header, [[*published.own, ""], *map(list, published.rows)]))
        if published.remarks:
            blocks.append("\n".join(f"- {escape(remark)}" for remark in published.remarks))
    return blocks


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column is left-aligned, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    body = [[escape(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*lines, *body])


def group_block(group: GroupTable) -> str:
    """Return the table of a task's groups."""
    return table(list(HEADER), [list(row) for row in group.rows])


def _made_with(data: Json) -> str:
    packages = data["packages"]
    git = data.get("git")
    commit = f", commit {git['commit'][:12]}{' (changed)' if git['dirty'] else ''}" if git else ""
    return escape(
        f"mio-eval {packages['mio-eval']}{commit}, Python {packages['python']}, "
        f"{data['hardware']['processor']}, started {data['started']}, ended {data['ended']}"
    )

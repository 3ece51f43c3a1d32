"""Writes a leaderboard as a static site: index.html, leaderboard.json, leaderboard.csv, runs/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import __version__
from ...display import one_line
from ...errors import UsageError
from ...jsonio import write_atomic
from ...types import Json
from ..delimited import write_rows
from ..leaderboard import Board, Entry, Found, Group, build_boards, group_id
from ..matrix import Cell, Column
from .page import BOARD_SCRIPTS, data_json, render, script_of
from .write import write_html

_CSV = (
    *("task", "group", "kind", "model", "model_size", "run", "source", "metric", "unit"),
    *("higher_is_better", "value", "ci_low", "ci_high", "rank", "flags", "signature"),
)


def write_site(
    found: Found,
    out: Path,
    *,
    title: str,
    published: bool = True,
    reports: bool = True,
    data_dir: Path | None = None,
) -> Path:
    """Write the site into `out` and return its page. The same runs give the same bytes.

    Raises UsageError when the folder cannot be written.
    """
    boards = build_boards(found.runs, published=published)
    linked = {run.id: f"runs/{run.id}.html" for run in found.runs} if reports else {}
    document = _document(boards, found, title, linked)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if reports:
            for run in found.runs:
                write_html([run], out / linked[run.id], data_dir=data_dir)
        write_atomic(out / "leaderboard.json", [_indented(document)])
        write_atomic(out / "leaderboard.csv", [write_rows(_CSV, _csv_rows(boards)).encode()])
        pieces = render(
            "leaderboard.html.j2",
            one_line(title),
            [script_of(BOARD_SCRIPTS)],
            facts=data_json(document),
        )
        write_atomic(out / "index.html", pieces)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}; choose another --out") from error
    return out / "index.html"


def _document(boards: Sequence[Board], found: Found, title: str, linked: dict[str, str]) -> Json:
    return {
        "schema_version": 1,
        "title": one_line(title),
        "version": __version__,
        "boards": [
            {
                "task": board.task,
                "title": board.title,
                "inputs": list(board.inputs),
                "output": board.output,
                "columns": [_column(column) for column in board.columns],
                "groups": [_group(board, group, linked) for group in board.groups],
            }
            for board in boards
        ],
        "excluded": [{"run": run, "reason": one_line(reason)} for run, reason in found.excluded],
    }


def _column(column: Column) -> Json:
    return {
        "metric": column.metric,
        "title": column.metric_title,
        "unit": column.unit,
        "higher_is_better": column.higher_is_better,
    }


def _group(board: Board, group: Group, linked: dict[str, str]) -> Json:
    return {
        "id": group_id(board, group),
        "title": group.title,
        "flags": list(group.flags),
        "entries": [_entry(entry, linked) for entry in group.entries],
    }


def _entry(entry: Entry, linked: dict[str, str]) -> Json:
    return {
        "model": entry.model,
        "model_size": entry.size or None,
        "kind": "run" if entry.run else "published",
        "run": entry.run or None,
        "report": linked.get(entry.run),
        "source": entry.source or None,
        "remark": entry.remark or None,
        "date": entry.date or None,
        "cells": [_cell(cell) for cell in entry.cells],
    }


def _cell(cell: Cell) -> Json:
    return {
        "value": cell.value,
        "text": cell.text,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        "interval": cell.interval or None,
        "rank": cell.rank or None,
        "flags": list(cell.flags),
        "signature": cell.signature or None,
    }


def _csv_rows(boards: Sequence[Board]) -> list[Sequence[str | float | bool | None]]:
    rows: list[Sequence[str | float | bool | None]] = []
    for board in boards:
        for group in board.groups:
            for entry in group.entries:
                for column, cell in zip(board.columns, entry.cells, strict=True):
                    if cell.value is not None:
                        rows.append(_csv_row(board, group, entry, column, cell))
    return rows


def _csv_row(
    board: Board, group: Group, entry: Entry, column: Column, cell: Cell
) -> Sequence[str | float | bool | None]:
    return (
        board.task,
        group_id(board, group),
        "run" if entry.run else "published",
        entry.model,
        entry.size,
        entry.run,
        entry.source,
        column.metric,
        column.unit,
        column.higher_is_better,
        cell.value,
        cell.ci_low,
        cell.ci_high,
        cell.rank or None,
        "; ".join(cell.flags),
        cell.signature,
    )


def _indented(document: Json) -> bytes:
    import json

    return (json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()

"""Results as CSV: one line a score, numbers as numbers, no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..display import one_line
from .matrix import Matrix

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV injection"), full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
HEADER = (
    *("kind", "model", "run", "source", "task", "metric", "unit", "higher_is_better"),
    *("value", "ci_low", "ci_high", "flags", "signature"),
)


def guard(text: str) -> str:
    """Put text on one line, with an apostrophe before what would start a formula.

    White space at the ends goes, so that a formula cannot hide behind it.
    """
    line = one_line(text)
    # A leading tab or line break is gone by now, which is no reason to trust what it stood before.
    return f"'{line}" if line.startswith(_FORMULA) or text.startswith(_FORMULA) else line


def write_rows(header: Sequence[str], rows: Iterable[Sequence[str | float | bool | None]]) -> str:
    """Write CSV with every text guarded; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return buffer.getvalue()


def matrix_csv(matrix: Matrix) -> str:
    """Return a table of runs in long form: one line a model and metric."""
    rows: list[Sequence[str | float | bool | None]] = []
    for row in matrix.rows:
        for column, cell in zip(matrix.columns, row.cells, strict=True):
            if cell.value is None and not cell.signature:
                continue
            rows.append(
                (
                    "run" if row.run else "published",
                    row.model,
                    row.run,
                    row.source,
                    column.task,
                    column.metric,
                    column.unit,
                    column.higher_is_better,
                    cell.value,
                    cell.ci_low,
                    cell.ci_high,
                    "; ".join(cell.flags),
                    cell.signature,
                )
            )
    return write_rows(HEADER, rows)


def _cell(value: str | float | bool | None) -> str | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guard(value) if isinstance(value, str) else value

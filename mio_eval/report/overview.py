"""Prints a table of many runs on the terminal, or writes it as Markdown."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .markdown import escape
from .matrix import Cell, Matrix, Row, mark

_NAME_WIDTH = 24  # a longer name is folded
_STYLES = {1: "bold", 2: "underline"}


def print_matrix(matrix: Matrix, console: Console | None = None, *, intervals: bool) -> None:
    """Print the table, best in bold, second best underlined, then flags and remarks."""
    console = console or Console(soft_wrap=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(matrix.title))
    table.title_justify = "left"
    names = [_name(row, matrix) for row in matrix.rows]
    width = min(_NAME_WIDTH, max(map(len, [*names, "model"])))
    table.add_column("model", overflow="fold", width=width)
    for name in matrix.about:
        table.add_column(name, no_wrap=True)
    for column in matrix.columns:
        table.add_column(Text(column.heading), justify="right", overflow="fold")
    for row, name in zip(matrix.rows, names, strict=True):
        cells = [Text(_text(c, intervals), style=_STYLES.get(c.rank, "")) for c in row.cells]
        table.add_row(Text(name), *row.about, *cells)
    console.print(table)
    for note in (*_origin(matrix), *matrix.notes):
        console.print(Text(note), soft_wrap=True)


def markdown_matrix(matrix: Matrix, *, intervals: bool) -> str:
    """Return the table as Markdown: best in bold, second best in italics (it has no underline)."""
    header = ["model", *matrix.about, *(escape(column.heading) for column in matrix.columns)]
    lines = [header, ["---", *["---"] * len(matrix.about), *["---:"] * len(matrix.columns)]]
    for row in matrix.rows:
        lines.append(
            [escape(_name(row, matrix)), *(_markdown_cell(c, intervals) for c in row.cells)]
        )
    blocks = [
        f"## {escape(matrix.title)}",
        "\n".join("| " + " | ".join(line) + " |" for line in lines),
    ]
    if notes := (*_origin(matrix), *matrix.notes):
        blocks.append("\n".join(f"- {escape(note)}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def _name(row: Row, matrix: Matrix) -> str:
    """Name a row, with its source where the published rows have several."""
    return f"{mark(row)} · {row.source}" if row.source and len(matrix.sources) > 1 else mark(row)


def _origin(matrix: Matrix) -> tuple[str, ...]:
    sources = matrix.sources
    return (f"Rows without a run are published: {sources[0]}",) if len(sources) == 1 else ()


def _text(cell: Cell, intervals: bool) -> str:
    return f"{cell.text}\n{cell.interval}" if intervals and cell.interval else cell.text


def _markdown_cell(cell: Cell, intervals: bool) -> str:
    text = escape(cell.text)
    if cell.rank:
        stars = "**" if cell.rank == 1 else "*"
        text = f"{stars}{text}{stars}"
    return f"{text} {escape(cell.interval)}" if intervals and cell.interval else text

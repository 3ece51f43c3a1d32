"""A table of many runs in LaTeX: booktabs, best in bold, second best underlined.

All text is escaped: the ten special characters of LaTeX, the characters that ligatures or another
font encoding would change, and whatever has no printable form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from ..display import one_line
from .matrix import Cell, Column, Matrix, Row, mark

# The ten special characters; quotes and others that print as something else or form ligatures;
# brackets and stars, which a line break before them would take for its own.
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
    "�": "?",
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))
_LIGATURE = re.compile("([-,])(?=\\1)")  # -- and ,, are other characters in T1


def escape(text: str) -> str:
    """Make text print as itself in LaTeX: nothing in it is a command, all on one line."""
    escaped = _SPECIAL.sub(lambda match: _ESCAPES[match[0]], one_line(text))
    return _LIGATURE.sub(r"\1{}", escaped)


def latex(matrix: Matrix, *, intervals: bool = False) -> str:
    """Return a `table` environment; needs the packages booktabs, textcomp and, for names beyond
    ASCII, a Unicode engine or inputenc."""
    lines = [
        "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(matrix.title)}}}",
        rf"\begin{{tabular}}{{l{'c' * len(matrix.about)}{'r' * len(matrix.columns)}}}",
        r"\toprule",
        *_groups(matrix.columns, 1 + len(matrix.about)),
        _line(
            ["Model", *map(escape, matrix.about), *(_heading(column) for column in matrix.columns)]
        ),
        r"\midrule",
    ]
    published = [row for row in matrix.rows if not row.run]
    sources = matrix.sources
    for source in sources:
        if len(sources) > 1:
            lines.append(
                rf"\multicolumn{{{len(matrix.columns) + len(matrix.about) + 1}}}{{l}}"
                rf"{{\emph{{{escape(source)}}}}} \\"
            )
        lines += [_row(row, intervals) for row in published if row.source == source]
    if published and matrix.own:
        lines.append(r"\midrule")
    lines += [_row(row, intervals) for row in matrix.own]
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [f"Published rows: {'; '.join(sources)}."] if sources else []
    notes += [f"{note}." for note in matrix.notes]
    lines += [rf"\par\footnotesize {escape(note)}" for note in notes]
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _groups(columns: Sequence[Column], before: int) -> list[str]:
    """Name the data sets above their columns; one with several columns spans them, ruled below."""
    cells, rules, at = [""] * before, [], before + 1
    for title, members in groupby(columns, key=lambda column: column.title):
        width = len(list(members))
        if width == 1:
            cells.append(escape(title))
        else:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(title)}}}")
            rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    return [_line(cells), *([" ".join(rules)] if rules else [])]


def _heading(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit and column.unit != "×100" else ""
    arrow = "↑" if column.higher_is_better else "↓"
    return escape(f"{column.metric_title}{unit} {arrow}")


def _row(row: Row, intervals: bool) -> str:
    about = map(escape, row.about)
    return _line([escape(mark(row)), *about, *(_cell(cell, intervals) for cell in row.cells)])


def _cell(cell: Cell, intervals: bool) -> str:
    text = escape(cell.text)
    if cell.rank == 1:
        text = rf"\textbf{{{text}}}"
    elif cell.rank == 2:
        text = rf"\underline{{{text}}}"
    if intervals and cell.interval:
        text += rf" {{\scriptsize {escape(cell.interval)}}}"
    return text

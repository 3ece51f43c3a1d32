"""CSV: numbers are numbers, and no cell is a formula."""

from __future__ import annotations

import csv
import io

import pytest

from mio_eval.report.delimited import guard, matrix_csv, write_rows
from mio_eval.report.matrix import Cell, Column, Matrix, Row


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "＝1",
        "\ttab",
        '=HYPERLINK("http://example.org","x")',
    ],
)
def test_no_cell_is_a_formula(text):
    (cell,) = next(csv.reader(io.StringIO(write_rows([], [[text]]).lstrip("\r\n"))))
    assert cell == guard(text)
    assert cell.startswith("'")
    assert not set(cell) & set("\t\r\n")


@pytest.mark.parametrize("text", ["model-7B", "a=b", "", "7B", "a,b", 'say "x"', "α–β"])
def test_other_text_is_kept(text):
    assert guard(text) == text
    (cell,) = list(csv.reader(io.StringIO(write_rows(["h"], [[text]]))))[1] or [""]
    assert cell == text


def test_a_matrix_in_long_form():
    column = Column("coco", "cider", "MS-COCO", "CIDEr-D", "×100", True)
    own = Cell(-1.5, "-1.50", -2.0, -1.0, "[-2.00, -1.00]", ("SAMPLE: 5",), "d", "cider|n:5")
    rows = (
        Row("=cmd()", (own,), run="run-1"),
        Row("Emu (14B)", (Cell(112.4, "112.4"),), source="MIO, Table 3"),
        Row("none", (Cell(None, "–"),), source="MIO, Table 3"),
    )
    lines = list(csv.DictReader(io.StringIO(matrix_csv(Matrix("t", (column,), rows)))))
    assert [line["model"] for line in lines] == ["'=cmd()", "Emu (14B)"]
    assert (lines[0]["value"], lines[0]["ci_low"]) == ("-1.5", "-2.0")  # numbers stay numbers
    assert float(lines[1]["value"]) == 112.4
    assert lines[0]["higher_is_better"] == "true"
    assert (lines[0]["kind"], lines[1]["kind"]) == ("run", "published")
    assert (lines[0]["flags"], lines[0]["signature"]) == ("SAMPLE: 5", "cider|n:5")
    assert lines[1]["source"] == "MIO, Table 3"

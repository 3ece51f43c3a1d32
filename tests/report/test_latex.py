"""LaTeX tables: every special character prints as itself, the structure is booktabs'."""

from __future__ import annotations

import re

import pytest

from mio_eval.report.latex import escape, latex
from mio_eval.report.matrix import Cell, Column, Matrix, Row

# Text commands of the LaTeX kernel and textcomp that escapes may use, and what each prints.
PRINTS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "textquotedbl": '"',
    "textquotesingle": "'",
    "textasciigrave": "`",
    "textendash": "–",
    "textemdash": "—",
    "ldots": "…",
}


def printed(text):
    """Read escaped LaTeX as TeX would: what it prints. Fails for anything with another effect."""
    found = []
    rest = text
    while rest:
        if match := re.match(r"\\([a-zA-Z]+)\{\}", rest):
            found.append(PRINTS[match[1]])
        elif match := re.match(r"\\([#$%&_{}])|\{([\[\]*])\}", rest):
            found.append(match[1] or match[2])
        elif match := re.match(r"([-,])\{\}", rest):  # an empty group parts a ligature
            found.append(match[1])
        elif match := re.match(r"\$\\(uparrow|downarrow|times|rightarrow)\$", rest):
            found.append(
                {"uparrow": "↑", "downarrow": "↓", "times": "×", "rightarrow": "→"}[match[1]]
            )
        else:
            # The ten characters that LaTeX takes for itself, and control characters.
            match = re.match(r"[^#$%&_{}~^\\\x00-\x1f]", rest)
            assert match, f"a bare special character in {rest[:20]!r}"
            assert not re.match(r"--|,,|''|``|<<|>>|[!?]`|[\[\]*]", rest), "a ligature or an option"
            found.append(match[0])
        rest = rest[match.end() :]
    return "".join(found)


@pytest.mark.parametrize("code", range(32, 127))
def test_every_ascii_character_prints_as_itself(code):
    text = f"a{chr(code)}b"
    assert printed(escape(text)) == text


@pytest.mark.parametrize(
    "name",
    [
        r"\input{/etc/passwd}",
        r"\write18{rm -rf /}",
        r"\end{tabular}\immediate\write18{id}",
        "100% sure",
        "a & b \\\\ c",
        "$x^2_1$",
        "^^5cinput{x}",
        "``quotes'' --- and ?`ligatures!`",
        "% comment\nnext line",
        "~#&_",
        "a--b---c,,d",
        "*[2ex] starred",
        "↑ × … – →",
    ],
)
def test_hostile_names_print_as_themselves(name):
    assert printed(escape(name)) == " ".join(name.split())


def test_control_characters_and_line_breaks_go():
    assert printed(escape("a\x00b\nc\u202ed\te")) == "a?b c?d e"


COLUMNS = (
    Column("coco", "cider", "MS-COCO", "CIDEr-D", "×100", True),
    Column("ls", "wer", "LibriSpeech", "WER", "%", False),
)


def table(*rows, intervals=False):
    text = latex(Matrix("A title & more", COLUMNS, rows), intervals=intervals)
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    return text, [line for line in body.splitlines() if line.endswith(r"\\")]


def test_structure():
    text, lines = table(
        Row("Paper_1", (Cell(1.0, "1.0", rank=2), Cell(2.7, "2.7", rank=1)), source="P, Table 3"),
        Row("ours", (Cell(2.0, "2.00", rank=1), Cell(None, "–")), run="r"),
    )
    assert lines == [
        r"Paper\_1 & \underline{1.0} & \textbf{2.7} \\",
        r"ours & \textbf{2.00} & \textendash{} \\",
    ]
    assert r"\begin{tabular}{lrr}" in text
    for rule in ("toprule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    assert text.count(r"\midrule") == 2
    assert r"Model & CIDEr-D $\uparrow$ & WER (\%) $\downarrow$ \\" in text
    assert r"\caption{A title \& more}" in text
    assert "Published rows: P, Table 3." in text
    for line in text.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == 2
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", text) == opened[::-1]
    plain = re.sub(r"\\[\\{}%]", "", text)
    assert plain.count("{") == plain.count("}")


def test_intervals_are_an_option():
    row = Row("m", (Cell(2.0, "2.00", 1.5, 2.5, "[1.50, 2.50]"), Cell(None, "–")), run="r")
    assert "1.50" not in table(row)[0]
    assert r"2.00 {\scriptsize {[}1.50, 2.50{]}}" in table(row, intervals=True)[0]


def test_flags_stand_with_the_name_and_in_full_below():
    row = Row("m", (Cell(2.0, "2.00", flags=("SAMPLE: 5 bundled",)), Cell(None, "–")), run="r")
    text, lines = table(row)
    assert lines == [r"m {[}SAMPLE{]} & 2.00 & \textendash{} \\"]
    assert r"\par\footnotesize m: SAMPLE: 5 bundled (MS-COCO CIDEr-D)." in text


def test_a_data_set_spans_its_columns():
    columns = (*COLUMNS, Column("ls", "cer", "LibriSpeech", "CER", "%", False))
    text = latex(Matrix("t", columns, ()))
    assert r" & MS-COCO & \multicolumn{2}{c}{LibriSpeech} \\" in text
    assert r"\cmidrule(lr){3-4}" in text

"""Writes a gate's result: terminal, Markdown for a CI summary, JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..comparison.numbers import number
from ..display import one_line
from ..errors import UsageError
from ..jsonio import write_atomic
from .results import GateResult, RuleResult

_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_HEADER = ["rule", "tier", "outcome", "baseline", "run", "difference", "interval"]
_WIDTH = 100


def print_gate(result: GateResult, console: Console | None = None) -> None:
    """Print the rules, what decided, and the verdict."""
    if console is None:
        console = Console(soft_wrap=False)
        console.width = max(console.width, _WIDTH)
    if result.rules:
        shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for header in _HEADER:
            left = header in _HEADER[:3]
            shown.add_column(header, justify="left" if left else "right", overflow="fold")
        for rule in result.rules:
            shown.add_row(*map(Text, _cells(rule)), style=_STYLES[rule.outcome])
        console.print(shown)
    for rule in result.rules:
        if rule.outcome != "pass":
            _plain(console, f"{rule.task} {rule.metric}: {rule.outcome}: {rule.message}")
        for note in _notes(rule):
            _plain(console, f"{rule.task} {rule.metric}: {note}")
    for difference in result.allowed_differences:
        _plain(console, f"ALLOWED DIFFERENCE: {difference}")
    if not result.rules:
        for reason in result.reasons:
            _plain(console, reason)
    _plain(console, f"{result.verdict}: {result.run} against {result.baseline}")


def _cells(rule: RuleResult) -> list[str]:
    row = rule.comparison
    name = one_line(f"{rule.task} {rule.metric}")
    if row is None:
        return [name, rule.tier, rule.outcome, "–", "–", "–", "–"]
    low, high = (number(end, row.unit, signed=True) for end in (row.ci_low, row.ci_high))
    return [
        name,
        rule.tier,
        rule.outcome,
        number(row.value_first, row.unit),
        number(row.value_second, row.unit),
        number(row.difference, row.unit, signed=True),
        "–" if row.ci_low is None else f"[{low}, {high}]",
    ]


def _notes(rule: RuleResult) -> tuple[str, ...]:
    return rule.comparison.notes if rule.comparison is not None else ()


def gate_markdown(result: GateResult) -> str:
    """Return the result as Markdown, nothing in it that a reader's page would obey."""
    from ..report.markdown import escape, table

    blocks = [
        f"## mio-eval gate: {result.verdict}",
        escape(
            f"{result.run} against {result.baseline}; {100 * result.confidence:g} % intervals, "
            f"{result.resamples:,} resamples"
        ),
    ]
    if result.reasons:
        blocks.append("\n".join(f"- {escape(reason)}" for reason in result.reasons))
    if result.rules:
        blocks.append(table(_HEADER, [_cells(rule) for rule in result.rules]))
    notes = [f"{r.task} {r.metric}: {note}" for r in result.rules for note in _notes(r)]
    notes += [f"allowed difference: {item}" for item in result.allowed_differences]
    if notes:
        blocks.append("\n".join(f"- {escape(note)}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def append_markdown(path: Path, result: GateResult) -> None:
    """Append Markdown to a file, as a CI step summary wants it. Raises UsageError."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(gate_markdown(result))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def junit(result: GateResult) -> bytes:
    """Return JUnit XML: a test case a rule, and one for whether a verdict was possible at all."""
    cases: list[ET.Element] = [_whole(result)]
    cases += [_case(rule) for rule in result.rules]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    numbers = {name: str(count) for name, count in counts.items()}
    root = ET.Element("testsuites", {"name": "mio-eval gate", **numbers, "time": "0"})
    suite = ET.SubElement(root, "testsuite", {"name": "mio-eval gate", **numbers, "time": "0"})
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("verdict", result.verdict),
        ("run", result.run),
        ("baseline", result.baseline),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": one_line(value)})
    suite.extend(cases)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _whole(result: GateResult) -> ET.Element:
    case = _element("mio-eval gate", "run and baseline")
    if not result.rules:
        said = one_line("; ".join(result.reasons))
        kind = "RunFailed" if result.run_failed else "Incomparable"
        ET.SubElement(case, "error", {"type": kind, "message": said}).text = said
    return case


def _case(rule: RuleResult) -> ET.Element:
    case = _element(one_line(rule.task), one_line(f"{rule.metric} ({rule.tier})"))
    said = one_line(rule.message)
    blocks = rule.tier == "critical" or (rule.tier == "supporting" and rule.outcome == "fail")
    if rule.outcome != "pass":
        tag = "failure" if blocks else "skipped"
        attributes = {"message": f"{rule.outcome}: {said}"}
        if tag == "failure":
            attributes["type"] = rule.outcome
        ET.SubElement(case, tag, attributes)
    ET.SubElement(case, "system-out").text = said
    return case


def _element(classname: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": classname, "name": name, "time": "0"})


def write_junit(path: Path, result: GateResult) -> None:
    """Write JUnit XML atomically. Raises UsageError."""
    try:
        write_atomic(path, [junit(result)])
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _plain(console: Console, text: str) -> None:
    console.print(Text(one_line(text)), soft_wrap=True)

"""Prints a comparison on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..display import one_line
from .numbers import number, probability
from .results import CompareResult, Comparison

_STYLES = {"better": "green", "worse": "bold red", "no difference": "", "untested": "dim"}
_VERDICTS = {"better": "better", "worse": "WORSE", "no difference": "n.s.", "untested": "–"}
_WIDTH = 100  # a column cut short would be a number cut short


def print_comparison(result: CompareResult, console: Console | None = None) -> None:
    """Print every comparison's table, its notes, and the samples that changed most."""
    if console is None:
        console = Console(soft_wrap=False)
        console.width = max(console.width, _WIDTH)
    for other in result.others:
        rows = [row for row in result.rows if row.second == other]
        _print_pair(result, other, rows, console)
    for line in result.missing:
        _plain(console, f"not compared: {line}")
    for name, difference in result.differences:
        _plain(console, f"ALLOWED DIFFERENCE ({name}): {difference}", "bold yellow")
    _plain(console, summary(result))


def _print_pair(
    result: CompareResult, other: str, rows: Iterable[Comparison], console: Console
) -> None:
    rows = list(rows)
    console.print()
    console.print(Text(f"{one_line(other)} against {one_line(result.first)}", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    interval = f"{100 * result.confidence:g} % interval"
    for header in ("first", "second", "difference", interval, "p", "p Holm"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    task = None
    for row in rows:
        if row.task != task:
            task = row.task
            table.add_row(Text(one_line(task), style="bold"))
        table.add_row(*map(Text, cells(row)), style=_STYLES[row.verdict] or None)
    console.print(table)
    for row in rows:
        _print_notes(row, console)
    for row in rows:
        if row.primary:
            _print_changed(row, console)


def cells(row: Comparison) -> tuple[str, ...]:
    """Format one row: metric to verdict."""
    low, high = (number(end, row.unit, signed=True) for end in (row.ci_low, row.ci_high))
    return (
        f"  {row.metric} {'↑' if row.higher_is_better else '↓'}",
        number(row.value_first, row.unit),
        number(row.value_second, row.unit),
        number(row.difference, row.unit, signed=True),
        "–" if row.ci_low is None else f"[{low}, {high}]",
        probability(row.p) + ("*" if row.method == "unpaired" else ""),
        probability(row.p_holm),
        _VERDICTS[row.verdict],
    )


def details(row: Comparison) -> str:
    """Say in one line what the table has no room for."""
    found = []
    if row.method == "paired":
        found.append(f"{row.n_shared} shared samples in {row.clusters} clusters")
    if row.wins is not None:
        found.append(f"win/tie/loss {row.wins}/{row.ties}/{row.losses}")
    if row.p_bootstrap is not None:
        found.append(f"p bootstrap {probability(row.p_bootstrap)}")
    if row.p_mcnemar is not None:
        found.append(f"McNemar mid-p {probability(row.p_mcnemar)}")
    if row.mde is not None:
        found.append(f"detectable difference {number(row.mde, row.unit)}")
    return ", ".join(found)


def _print_notes(row: Comparison, console: Console) -> None:
    where = f"{one_line(row.task)}: {row.metric}"
    if said := details(row):
        _plain(console, f"{where}: {said}")
    if row.method == "paired" and (row.only_first or row.only_second):
        _plain(
            console,
            f"{where}: {row.n_shared} samples scored in both; {row.only_first} only in the first, "
            f"{row.only_second} only in the second",
            "bold yellow",
        )
    for note in row.notes:
        loud = note.startswith(("FAILED", "UNPAIRED", "OTHER DATA"))
        _plain(console, f"{where}: {note}", "bold yellow" if loud else "")


def _print_changed(row: Comparison, console: Console) -> None:
    if not row.changed:
        return
    _plain(console, f"{one_line(row.task)}: {row.metric}: most changed samples (worse first)")
    for sample in row.changed:
        _plain(
            console,
            f"  {one_line(sample.id)}: {number(sample.first, row.unit)} → "
            f"{number(sample.second, row.unit)}",
        )
        if sample.output_first or sample.output_second:
            _plain(console, f"    first:  {sample.output_first}")
            _plain(console, f"    second: {sample.output_second}")


def summary(result: CompareResult) -> str:
    """Say in one line what was found."""
    tested = [row for row in result.rows if row.verdict != "untested"]
    better = sum(row.verdict == "better" for row in tested)
    worse = len(result.regressions)
    return (
        f"{len(tested)} tests in the family (Holm, alpha {result.alpha:g}): {better} better, "
        f"{worse} worse, {len(tested) - better - worse} without a significant difference; "
        f"{result.resamples:,} resamples, seed {result.seed}. p: approximate randomisation"
        + ("; *: unpaired" if any(row.method == "unpaired" for row in result.rows) else "")
    )


def _plain(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)

"""`mio-eval report`: runs as tables (terminal, Markdown, LaTeX, CSV) or as an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..report.runs import Run

FORMATS = ("terminal", "markdown", "latex", "csv", "html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories")],
    format_: Annotated[
        str, typer.Option("--format", help="terminal, markdown, latex, csv or html")
    ] = "terminal",
    out: Annotated[
        Path | None,
        typer.Option(help="Write here; for html a file (….html) or a folder"),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="All runs in one table: auto, or a paper's columns such as mio-table3"),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Show 95 % intervals in tables of many runs")
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="html: folder of data sets, to show inputs (default: the run's)"),
    ] = None,
    media: Annotated[
        bool, typer.Option(help="html: show the media of prompts and references too")
    ] = True,
) -> None:
    """Show runs: tables, or a page to look at every sample.

    Several runs, or --layout, give one table with a row a run; --format html of two or more runs
    sets their samples side by side.
    """
    from ..errors import UsageError, unknown
    from ..report.runs import damage, read_runs

    if format_ not in FORMATS:
        raise unknown("--format", format_, FORMATS)
    if format_ == "terminal" and out is not None:
        raise UsageError(f"--out {out} needs --format markdown, latex, csv or html")
    if format_ != "html" and (data_dir is not None or not media):
        given = f"--data-dir {data_dir}" if data_dir is not None else "--no-media"
        raise UsageError(f"{given} is for --format html; add that, or leave it out")
    found = read_runs(runs)
    if format_ == "html":
        _html(found, out, data_dir, media)
        return
    for run in found:
        with damage(run.path):
            text = _tables(found, format_, layout, intervals, run)
        if text is not None:
            _emit(text, out)
        if _one_table(found, format_, layout):
            return


def _one_table(runs: list[Run], format_: str, layout: str | None) -> bool:
    """Tell whether all runs go into one table."""
    return layout is not None or len(runs) > 1 or format_ in ("latex", "csv")


def _tables(
    runs: list[Run], format_: str, layout: str | None, intervals: bool, run: Run
) -> str | None:
    """Return the tables as text; print them when they are for the terminal."""
    if _one_table(runs, format_, layout):
        return _matrix(runs, format_, layout, intervals)
    from ..report.markdown import markdown
    from ..report.terminal import print_run

    text = markdown(run.path, run.data)  # reads all that the terminal's tables do
    if format_ == "terminal":
        print_run(run.path, run.data)
        return None
    return text


def _matrix(runs: list[Run], format_: str, layout: str | None, intervals: bool) -> str | None:
    from ..report.layouts import AUTO, columns_of, layout_title
    from ..report.matrix import build_matrix

    layout = layout or AUTO
    matrix = build_matrix(layout_title(layout), columns_of(layout, runs), runs)
    if format_ == "latex":
        from ..report.latex import latex

        return latex(matrix, intervals=intervals)
    if format_ == "csv":
        from ..report.delimited import matrix_csv

        return matrix_csv(matrix)
    from ..report.overview import markdown_matrix, print_matrix

    if format_ == "markdown":
        return markdown_matrix(matrix, intervals=intervals)
    print_matrix(matrix, intervals=intervals)
    return None


def _html(runs: list[Run], out: Path | None, data_dir: Path | None, media: bool) -> None:
    from ..errors import UsageError
    from ..report.html import write_html
    from ..report.runs import damage

    if out is None:
        if len(runs) > 1:
            raise UsageError(
                "a report of several runs needs a place: --out report.html (one file) "
                "or --out DIR (a folder)"
            )
        out = runs[0].path / "report.html"
    with damage(runs[0].path if len(runs) == 1 else Path("one of the runs")):
        typer.echo(str(write_html(runs, out, data_dir=data_dir, inputs=media)))


def _emit(text: str, out: Path | None) -> None:
    """Print text, or write it as a file."""
    if out is None:
        typer.echo(text, nl=False)
        return
    from ..errors import UsageError
    from ..jsonio import write_atomic

    try:
        write_atomic(out, [text.encode()])
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}; choose another --out") from error
    typer.echo(str(out))

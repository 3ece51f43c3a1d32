"""`mio-eval report`: print a run's tables again, or write them as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories")],
    format_: Annotated[str, typer.Option("--format", help="terminal or markdown")] = "terminal",
) -> None:
    """Print the tables of one or more runs."""
    from ..engine.rundir import RunDirectory
    from ..errors import unknown
    from ..report.markdown import markdown
    from ..report.terminal import print_run

    if format_ not in ("terminal", "markdown"):
        raise unknown("--format", format_, ("terminal", "markdown"))
    for path in runs:
        data = RunDirectory(path).read()
        if format_ == "markdown":
            typer.echo(markdown(path, data), nl=False)
        else:
            print_run(path, data)

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
    from ..errors import UsageError, unknown
    from ..report.markdown import markdown
    from ..report.terminal import print_run

    if format_ not in ("terminal", "markdown"):
        raise unknown("--format", format_, ("terminal", "markdown"))
    for path in runs:
        data = RunDirectory(path).read()
        try:
            text = markdown(path, data)  # reads all that the terminal's tables do
            if format_ == "terminal":
                print_run(path, data)
            else:
                typer.echo(text, nl=False)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path}: run.json is damaged ({type(error).__name__}: {error}); "
                "take it from a backup, or run again"
            ) from error

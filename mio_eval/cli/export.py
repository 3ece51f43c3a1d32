"""`mio-eval export`: a run in the formats that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import settings as read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    run: Annotated[Path, typer.Argument(help="Run directory")],
    to: Annotated[
        str,
        typer.Option(
            help="lm-eval, inspect, inspect-json, hf, every-eval-ever, junit, csv, parquet; "
            "wandb, mlflow, trackio"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder (default: exports/RUN/FORMAT)")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting of the format or tracker: key=value"),
    ] = None,
) -> None:
    """Write a run in the format of another tool.

    Or log it to a tracker. Prints the files written; a failed sample is a score in none of them.
    """
    from ..display import one_line
    from ..export import export_run

    for path in export_run(run, to, out, read_settings(settings or ())):
        typer.echo(one_line(str(path)))

"""`mio-eval doctor`: what is installed here, and which tasks can run."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    data_dir: str | None = typer.Option(
        None, help="Folder of data sets (default $MIO_EVAL_DATA or ./data)"
    ),
) -> None:
    """Show what is installed, and which tasks can run.

    Versions, accelerator, Java, extras and caches, with what is missing and how to get it.
    """
    from ..doctor import diagnose

    for title, lines in diagnose(data_dir):
        typer.echo(title)
        for line in lines:
            typer.echo(f"  {line}")

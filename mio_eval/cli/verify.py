"""`mio-eval verify`: recompute a run's scores from its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(run: Annotated[Path, typer.Argument(help="Run directory")]) -> int:
    """Check that a run's scores follow from its files.

    Every score is recomputed bit for bit, without the model, the media or torch.
    """
    from ..verify import verify as verify_run
    from .text import count

    found = verify_run(run)
    for line in found.checked:
        typer.echo(f"checked    {line}")
    for line in found.unchecked:
        typer.echo(f"unchecked  {line}")
    for line in found.problems:
        typer.echo(f"DIFFERS    {line}")
    typer.echo(f"{run}: {'verified' if found.ok else count(len(found.problems), 'problem')}")
    return 0 if found.ok else 4

"""`mio-eval score`: score a finished run again, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import MetricSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score")(score)


def score(
    run: Annotated[Path, typer.Argument(help="Run directory")],
    settings: MetricSettings = None,
) -> int:
    """Score a finished run again, offline.

    The stored outputs are scored anew, with other metric settings if given.
    """
    from ..engine.rescore import rescore
    from ..report import write_report
    from ..report.terminal import print_run
    from .progress import make_progress

    data = rescore(run, tuple(settings or ()), make_progress())
    write_report(run, data)
    print_run(run, data)
    return 0 if data["status"] == "complete" else 4

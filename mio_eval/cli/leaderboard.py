"""`mio-eval leaderboard`: a static site over many runs and published results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("leaderboard")(leaderboard)


def leaderboard(
    folders: Annotated[list[Path], typer.Argument(help="Folders of runs, such as results/runs")],
    out: Annotated[Path, typer.Option(help="Folder of the site")] = Path("site"),
    title: Annotated[str, typer.Option(help="Title of the site")] = "mio-eval leaderboard",
    published: Annotated[bool, typer.Option(help="Show published results beside the runs")] = True,
    reports: Annotated[bool, typer.Option(help="Write every run's HTML report too")] = True,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of data sets, to show inputs in the reports")
    ] = None,
) -> None:
    """Write a leaderboard of runs: a static site.

    Writes index.html, leaderboard.json, leaderboard.csv and the runs' reports.

    Runs that are not complete are left out; the page lists them with the reason.
    """
    from ..errors import UsageError
    from ..report.html.site import write_site
    from ..report.leaderboard import find_runs

    found = find_runs(folders)
    try:
        page = write_site(
            found, out, title=title, published=published, reports=reports, data_dir=data_dir
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"a run.json in {', '.join(map(str, folders))} is damaged "
            f"({type(error).__name__}: {error}); mio-eval report RUN says which"
        ) from error
    for run, reason in found.excluded:
        typer.echo(f"left out: {run}: {reason}", err=True)
    typer.echo(str(page))

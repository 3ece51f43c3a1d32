"""`mio-eval data ls | show | check`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ..display import one_line

_SHOWN = 20  # problems printed by `check`


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Find, show and check data sets.", no_args_is_help=True)
    group.command("ls")(ls)
    group.command("show")(show)
    group.command("check")(check)
    app.add_typer(group, name="data")


DataDir = Annotated[
    str | None, typer.Option(help="Folder of data sets (default $MIO_EVAL_DATA or ./data)")
]
Mode = Annotated[str, typer.Option("--data", help="local, hub or sample")]


def ls(data_dir: DataDir = None) -> None:
    """List each task's data and where they can be had."""
    from ..data.sources import has_local, has_sample
    from ..tasks import all_tasks
    from .text import print_rows

    rows = []
    for task in all_tasks():
        hub = task.file.dataset.hub
        rows.append(
            (
                task.file.name,
                "yes" if has_local(task, _path(data_dir)) else "no",
                "yes" if has_sample(task) else "no",
                hub.id if hub else "-",
                task.file.dataset.licence,
            )
        )
    print_rows(("task", "on disk", "sample", "hub", "licence"), rows)


def show(
    task: Annotated[str, typer.Argument(help="Task, or task:split")],
    data_dir: DataDir = None,
    data: Mode = "local",
    n: Annotated[int, typer.Option("-n", min=1, help="Samples to show")] = 3,
) -> None:
    """Show the first samples of a task's data."""
    from ..types import Text

    for sample in islice(_source(task, data, data_dir), n):
        typer.echo(one_line(f"{sample.id} (cluster {sample.cluster})"))
        for name, part in sample.inputs.items():
            shown = part.text if isinstance(part, Text) else str(part.path or part.name)
            typer.echo(f"  {name}: {one_line(shown)}")
        for reference in sample.references:
            typer.echo(f"  reference: {one_line(reference)}")


def check(
    task: Annotated[str, typer.Argument(help="Task, or task:split")],
    data_dir: DataDir = None,
    data: Mode = "local",
) -> int:
    """Check that a task's data are whole.

    Files there, ids unique, references present, as many samples as the official split has.
    """
    from ..data import check_source
    from .text import count

    source = _source(task, data, data_dir)
    problems = 0
    for problem in check_source(source):
        problems += 1
        if problems <= _SHOWN:
            typer.echo(one_line(problem))
    if problems > _SHOWN:
        typer.echo(f"… and {problems - _SHOWN} more")
    typer.echo(f"{source.place}: {'ok' if not problems else count(problems, 'problem')}")
    return 4 if problems else 0


def _source(task: str, mode: str, data_dir: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from ..data import open_source
    from ..errors import unknown
    from ..tasks import get_task

    if mode not in ("local", "hub", "sample"):
        raise unknown("--data", mode, ("local", "hub", "sample"))
    return open_source(get_task(task), mode, _path(data_dir))  # type: ignore[arg-type]


def _path(data_dir: str | None) -> Path | None:
    return Path(data_dir) if data_dir else None

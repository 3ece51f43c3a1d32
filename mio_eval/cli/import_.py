"""`mio-eval import`: results of another harness as a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import settings as read_pairs


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)


def import_(
    results: Annotated[Path, typer.Argument(help="Results file, or a folder with one")],
    harness: Annotated[str, typer.Option("--from", help="lm-eval or lmms-eval")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Baseline file to write")],
    task: Annotated[
        list[str] | None, typer.Option(help="Import this task or group: THEIRS=OURS, or THEIRS")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Their metric that stands for ours: THEIRS=OURS")
    ] = None,
    scale: Annotated[
        list[str] | None, typer.Option(help="What to multiply a metric by: THEIRS=100")
    ] = None,
    id_field: Annotated[
        str, typer.Option("--id", help="Field of a sample that holds our id (default doc_id)")
    ] = "",
    cluster_field: Annotated[
        str, typer.Option("--cluster", help="Field of a sample that holds its cluster")
    ] = "",
) -> None:
    """Make a baseline of another harness's results.

    The file is for compare and gate. Scores keep their harness in their signature: both refuse them
    beside ours until --allow-different names what differs.
    """
    from ..display import one_line
    from ..errors import UsageError
    from ..importers import import_results

    scales = {}
    for name, text in read_pairs(scale or ()).items():
        try:
            scales[name] = float(text)
        except ValueError as error:
            raise UsageError(f"--scale {name}={text}: expected a number, such as 100") from error
    done = import_results(
        results,
        harness,
        out,
        tasks=read_pairs(item if "=" in item else f"{item}={item}" for item in task or ()),
        metrics=read_pairs(metric or ()),
        scales=scales,
        id_field=id_field,
        cluster_field=cluster_field,
    )
    for name, metric_name, how in done.rows:
        typer.echo(one_line(f"{name} {metric_name}: {how}"))
    for reason in done.left_out:
        typer.echo(one_line(f"left out: {reason}"))
    typer.echo(one_line(str(done.path)))

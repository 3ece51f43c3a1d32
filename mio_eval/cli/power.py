"""`mio-eval power`: how many samples does a difference need?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonPath

if TYPE_CHECKING:
    from ..power import Need, PowerResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("power")(power)


def power(
    run: Annotated[Path, typer.Argument(help="Run directory or baseline file")],
    task: Annotated[str, typer.Option(help="Task of the run")],
    metric: Annotated[str, typer.Option(help="Metric of the task")],
    difference: Annotated[
        str | None,
        typer.Option(help="Difference to find, in the metric's unit, or 2%"),
    ] = None,
    power_: Annotated[float, typer.Option("--power", help="Wanted chance to find it")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Two-sided level of the test")] = 0.05,
    paired_with: Annotated[
        Path | None, typer.Option(help="Second run of the task: the spread of paired differences")
    ] = None,
    json_path: JsonPath = "",
) -> None:
    """Say which differences a number of samples shows."""
    from ..power import power_analysis
    from .compare import write_json_output

    found = power_analysis(
        run, task, metric, difference, power=power_, alpha=alpha, paired_with=paired_with
    )
    if json_path:
        write_json_output(json_path, found.to_json())
    if json_path != "-":
        _print(found)


def _print(found: PowerResult) -> None:
    unit = f" {found.unit}" if found.unit else ""
    typer.echo(
        f"{found.task} {found.metric}: {found.value:.4g}{unit}, standard error "
        f"{found.standard_error:.3g}, {found.n} samples in {found.clusters} clusters"
    )
    typer.echo(f"level {found.alpha:g}, power {found.power:g}")
    if found.paired is not None:
        known = "" if found.correlation is None else f" (correlation {found.correlation:.2f})"
        _print_need(f"paired with {found.paired_with}{known}", found.paired, found)
    _print_need("against an independent result", found.unpaired, found)


def _print_need(title: str, need: Need, found: PowerResult) -> None:
    from ..display import one_line

    typer.echo(f"{one_line(title)}: these samples find a difference of {need.detectable:.3g}")
    if need.samples is not None:
        typer.echo(f"  a difference of {found.difference:.3g} needs {need.samples:,} samples")

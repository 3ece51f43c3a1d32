"""`mio-eval metric`: score a file of predictions against a file of references, without a task."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ..display import printable
from .options import AllowPartial, settings

_SHOWN = 5  # failed samples named


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("metric")(metric)


def metric(
    name: Annotated[str, typer.Argument(help="Metric; an unknown name lists the known ones")],
    predictions: Annotated[Path, typer.Option(help='JSONL: {"id": …, "text": …}')],
    references: Annotated[Path, typer.Option(help='JSONL: {"id": …, "references": […]}')],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Metric setting: key=value")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
    per_sample: Annotated[
        bool, typer.Option("--per-sample", help="With --json: the value of each sample")
    ] = False,
    allow_partial: AllowPartial = False,
) -> int:
    """Score a file of predictions with one metric.

    The references are taken for the whole split (CIDEr counts its document frequencies there).
    """
    from ..jsonio import dumps
    from ..score_files import score_files

    result = score_files(
        name, predictions, references, settings(set_ or ()), allow_partial=allow_partial
    )
    if as_json:
        typer.echo(dumps(result.to_json(per_sample)))
    else:
        score = result.score
        value = "no value" if score.value is None else f"{score.value:.2f}"
        interval = (
            "" if score.ci_low is None else f"  95 % [{score.ci_low:.2f}, {score.ci_high:.2f}]"
        )
        # Like the tables: a value ×100 bears no unit, "59.98 ×100" would read as 5998.
        unit = f" {score.unit}" if score.unit not in ("", "×100") else ""
        failed = f", {score.n_failed} failed" if score.n_failed else ""
        scored = f"scored {score.n_scored}/{score.n_expected}{failed}"
        typer.echo(f"{name} {value}{unit}{interval}  {scored}")
        for sample_id, message in islice(result.errors.items(), _SHOWN):
            typer.echo(printable(f"failed: {sample_id}: {message}"))
        if score.note:
            typer.echo(f"note: {score.note}")
        typer.echo(score.signature)
    return 4 if result.score.n_failed or result.score.value is None else 0

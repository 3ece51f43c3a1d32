"""`mio-eval compare`: is a difference between runs more than chance?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AllowDifferent, JsonPath, comma_list, one_blas_thread


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    results: Annotated[
        list[str], typer.Argument(help="Run directories, baseline files or published:NAME")
    ],
    tasks: Annotated[str, typer.Option(help="Only these tasks, separated by commas")] = "",
    metrics: Annotated[str, typer.Option(help="Only these metrics, separated by commas")] = "",
    json_path: JsonPath = "",
    allow_different: AllowDifferent = None,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit 1 when something is worse")
    ] = False,
    alpha: Annotated[float, typer.Option(help="Level of the tests")] = 0.05,
    top: Annotated[int, typer.Option(help="Most changed samples to list, each way")] = 5,
) -> int:
    """Compare runs, paired on the samples they share.

    The first one is what the others are compared with.

    Exits with 3 when the results were not made alike; the message names the fields.
    """
    one_blas_thread()
    from ..comparison import compare as compare_results

    result = compare_results(
        results[0],
        *results[1:],
        tasks=comma_list(tasks),
        metrics=comma_list(metrics),
        allow_different=tuple(allow_different or ()),
        alpha=alpha,
        top=top,
    )
    if json_path:
        write_json_output(json_path, result.to_json())
    if json_path != "-":
        from ..comparison.terminal import print_comparison

        print_comparison(result)
    return 1 if fail_on_regression and result.regressions else 0


def write_json_output(path: str, value: Any) -> None:
    """Write JSON to a file, atomically, or to standard output for `-`."""
    import json

    from ..errors import UsageError
    from ..jsonio import write_json

    if path == "-":
        sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
        return
    try:
        write_json(Path(path), value)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error

"""`mio-eval gate`: may this run replace its baseline?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from .options import AllowDifferent, JsonPath, one_blas_thread

_CHECK = "check"


class _Group(TyperGroup):
    """Takes `gate RUN …` for `gate check RUN …`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_CHECK, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=_Group,
        help="Judge a run against a baseline, by a policy.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(_CHECK)(check)
    group.command("init")(init)
    group.command("baseline")(baseline)
    app.add_typer(group, name="gate")


def check(
    run: Annotated[Path, typer.Argument(help="Run directory to judge")],
    baseline_: Annotated[
        Path, typer.Option("--baseline", help="Run directory, or file of `gate baseline`")
    ],
    policy: Annotated[Path, typer.Option(help="Policy file; see `gate init`")],
    markdown: Annotated[
        Path | None, typer.Option(help="Append Markdown to this file ($GITHUB_STEP_SUMMARY)")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file")] = None,
    json_path: JsonPath = "",
    allow_different: AllowDifferent = None,
) -> int:
    """Judge a run: GO (exit 0), NO-GO (1), INCONCLUSIVE or incomparable (3), run failed (4).

    `gate RUN …` is short for `gate check RUN …`.
    """
    one_blas_thread()
    from ..gating import gate
    from ..gating.output import append_markdown, print_gate, write_junit
    from .compare import write_json_output

    result = gate(run, baseline_, policy, allow_different=tuple(allow_different or ()))
    if markdown is not None:
        append_markdown(markdown, result)
    if junit is not None:
        write_junit(junit, result)
    if json_path:
        write_json_output(json_path, result.to_json())
    if json_path != "-":
        print_gate(result)
    return result.exit_code


def init(
    run: Annotated[Path, typer.Argument(help="Run directory to take tasks and margins from")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: print)")
    ] = None,
) -> None:
    """Write a first policy from a run."""
    from ..errors import UsageError
    from ..gating.first_policy import first_policy

    text = first_policy(run)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{out} is there already; give another name, or remove it") from error
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


def baseline(
    run: Annotated[Path, typer.Argument(help="Complete run directory")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write")],
    aggregates: Annotated[
        bool, typer.Option("--aggregates", help="Leave per-sample statistics out: unpaired gates")
    ] = False,
) -> None:
    """Write a baseline file from a run, small enough to keep beside the code."""
    from ..comparison.baseline import write_baseline
    from ..errors import UsageError

    try:
        write_baseline(run, out, aggregates=aggregates)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error

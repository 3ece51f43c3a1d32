"""The `mio-eval` program: its commands, and how errors become messages and exit codes."""

from __future__ import annotations

import sys

import typer

from .. import __version__
from ..errors import MioEvalError

app = typer.Typer(
    name="mio-eval",
    help="Scores any-to-any multimodal models: text, image, speech and video, in and out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    ctx: typer.Context,
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks of errors."),
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True),
) -> None:
    if version:
        typer.echo(f"mio-eval {__version__}")
        raise typer.Exit
    ctx.obj = debug


def _register() -> None:
    from . import data, doctor, metric, models, report, run, score, tasks, verify

    for module in (run, tasks, models, data, metric, score, verify, report, doctor):
        module.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 regression, 2 usage, 3 incomparable, 4 run failed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _register()
    # `--debug` is taken anywhere on the line: one adds it at the end of a command that failed.
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        code = app(arguments, standalone_mode=False)
    except MioEvalError as error:
        if debug:
            raise
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("stopped", 4)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        # typer's own errors (a wrong option, a missing argument) know how to say what is wrong.
        if callable(shown := getattr(error, "format_message", None)):
            fail(shown(), getattr(error, "exit_code", 2))
        if debug:
            raise
        fail(
            f"internal error: {type(error).__name__}: {error}; "
            "run again with --debug and report it",
            4,
        )
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, code: int) -> None:
    """Print an error and exit."""
    typer.echo(f"mio-eval: {message}", err=True)
    sys.exit(code)

"""The `mio-eval` program: its commands, and how errors become messages and exit codes."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import typer

from .. import __version__
from ..display import printable
from ..errors import MioEvalError

_INTERRUPTED = 130  # what typer returns after Ctrl-C

app = typer.Typer(
    name="mio-eval",
    help="Scores any-to-any multimodal models: text, image, speech and video, in and out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mio-eval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks of errors."),
    version: bool = typer.Option(
        False, "--version", help="Show the version.", is_eager=True, callback=_version
    ),
) -> None:
    ctx.obj = debug


def _register() -> None:
    from . import (
        compare,
        data,
        doctor,
        export,
        gate,
        import_,
        leaderboard,
        metric,
        models,
        power,
        report,
        run,
        score,
        tasks,
        verify,
    )

    if app.registered_commands:
        return  # `main` was called before in this process
    for module in (
        run,
        tasks,
        models,
        data,
        metric,
        score,
        verify,
        compare,
        gate,
        power,
        report,
        leaderboard,
        export,
        import_,
        doctor,
    ):
        module.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 regression, 2 usage, 3 incomparable, 4 run failed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _register()
    # `--debug` is taken anywhere on the line: one adds it at the end of a command that failed.
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        code = app(arguments, prog_name="mio-eval", standalone_mode=False)
    except MioEvalError as error:
        _trace(debug)
        fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped", 4)
    except SystemExit as stop:
        # typer exits with 1 when nobody reads the output any more (`… | head`).
        sys.exit(0 if stop.code == 1 else stop.code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        # typer's own errors (a wrong option, a missing argument) know how to say what is wrong.
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(str(error), err=True)
            sys.exit(2)
        if callable(shown := getattr(error, "format_message", None)):
            fail(_usage(error, shown()), getattr(error, "exit_code", 2))
        _trace(debug)
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{error.filename}: {error.strerror}", 4)
        fail(
            f"internal error: {type(error).__name__}: {error}; "
            "run again with --debug and report it",
            4,
        )
    if code == _INTERRUPTED:
        fail("stopped", 4)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Exception, message: str) -> str:
    """Put what typer says of a wrong command line on one line, and say where to read on."""
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return message
    commands = getattr(ctx.command, "commands", None)
    if message.startswith("No such command") and "Did you mean" not in message and commands:
        message = f"{message.rstrip('.')}; known: {', '.join(commands)}"
    return f"{' '.join(message.split()).rstrip('.')}; see {ctx.command_path} --help"


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def fail(message: str, code: int) -> NoReturn:
    """Print an error and exit."""
    typer.echo(f"mio-eval: {printable(message)}", err=True)
    sys.exit(code)

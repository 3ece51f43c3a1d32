"""Errors that a user can cause, and mend: shown as one or two lines, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MioEvalError(Exception):
    """Base of every error that mio-eval raises on purpose."""

    exit_code = 4


class UsageError(MioEvalError):
    """A wrong option, file or configuration: exit code 2.

    The message says what was given, what was expected and what to do.
    """

    exit_code = 2


class IncomparableError(MioEvalError):
    """Two results whose definitions differ: exit code 3."""

    exit_code = 3


class RunError(MioEvalError):
    """The run could not go on (disk full, directory in use): exit code 4."""

    exit_code = 4


def unknown(kind: str, given: str, known: Iterable[str]) -> UsageError:
    """Build the error for an unknown name, with the nearest known names first."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UsageError(f"unknown {kind} {given!r}; {hint}")


def first_line(error: Exception) -> str:
    """Name an error of another library, with the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__

"""Which errors of loading a judge model are a user's to mend; every other one is a bug, and shown.

Loading runs code of many libraries on files of other people. What these raise for a file that is
damaged, of another kind or out of reach becomes a UsageError here, and nowhere else in this
package. What else is raised passes as it is: hidden as a user's mistake, a bug would stay.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import MioEvalError, UsageError, first_line

INSTALL = "pip install 'mio-eval[starter]'"
CONNECT = "connect once, or set HF_HOME to a folder that holds it, or name a local folder"
FETCH_AGAIN = "fetch the file again"

_BUILT_IN: tuple[type[Exception], ...] = (
    OSError,  # files and networks: the hub's own errors, urllib, requests
    ValueError,  # another architecture, JSON or UTF-8 that is damaged
    RuntimeError,  # torch, CTranslate2, sentencepiece: shapes, archives, memory
    LookupError,  # a key or an entry that a configuration or a pickle lacks
    EOFError,  # an empty file of weights
    AssertionError,  # torch asserts on what it reads; nothing of ours does while it loads
    pickle.UnpicklingError,
    struct.error,
)
# From within a library: a value of another type in a configuration, which few of them check. From
# a line of ours: a wrong call.
_WRONG_VALUE = (TypeError, AttributeError, ArithmeticError)
_LIBRARIES = ("httpx", "huggingface_hub", "safetensors")  # their errors have no built-in base


@dataclass(frozen=True)
class Use:
    """Who needs a model, for messages.

    Args:
        role: who asks.
        alternative: what can be used when it cannot be had.
        install: the command that installs what loading it needs.
    """

    role: str
    alternative: str
    install: str = INSTALL


@contextmanager
def loading(use: Use, what: str, remedy: str = CONNECT) -> Iterator[None]:
    """Load a model within this block.

    Raises:
        UsageError: a package is missing, or a library said that `what` cannot be had.
    """
    try:
        yield
    except MioEvalError:
        raise
    except ImportError as error:
        message = f"{use.role}: {what} needs a package ({error}): {use.install}"
        raise UsageError(message) from error
    except Exception as error:
        if not is_about_the_model(error):
            raise
        raise cannot_load(use, what, error, remedy) from error


def is_about_the_model(error: Exception) -> bool:
    """Tell whether an error of a library says that a model cannot be had, not that we erred."""
    if isinstance(error, _WRONG_VALUE):
        return not _raised_by_us(error)
    library = type(error).__module__.partition(".")[0]
    # `tokenizers` raises plain Exception for a file that it cannot read.
    return isinstance(error, _BUILT_IN) or library in _LIBRARIES or type(error) is Exception


def _raised_by_us(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    package = __name__.partition(".")[0]
    where = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return bool(where.partition(".")[0] == package)


def cannot_load(use: Use, what: str, error: Exception, remedy: str = CONNECT) -> UsageError:
    """Build the error for a judge model that cannot be had."""
    reason = first_line(error)[:200]
    return UsageError(
        f"{use.role}: cannot load {what} ({reason}); {remedy}, or use {use.alternative}"
    )

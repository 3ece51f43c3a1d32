"""Where mio-eval keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from mio_eval.errors import UsageError


def cache_dir() -> Path:
    """Return the folder of fetched models and other rebuildable files; it need not exist yet.

    `$MIO_EVAL_CACHE` when set, else `$XDG_CACHE_HOME/mio-eval` (a relative value is ignored, as
    the XDG base directory specification asks), else `~/.cache/mio-eval`.

    Raises:
        UsageError: no variable is set and the user has no home folder.
    """
    own = os.environ.get("MIO_EVAL_CACHE", "")
    try:
        if own:
            return Path(own).expanduser().absolute()
        base = os.environ.get("XDG_CACHE_HOME", "")
        if base and Path(base).is_absolute():
            return Path(base) / "mio-eval"
        return Path.home() / ".cache" / "mio-eval"
    except RuntimeError as error:  # "could not determine home directory"
        message = f"no folder for the cache: {error}; set MIO_EVAL_CACHE to a folder"
        raise UsageError(message) from error

"""The error every reader raises when the files it wants are not there."""

from __future__ import annotations

from pathlib import Path


class MissingDataError(Exception):
    """A file or folder of the official layout is missing. The caller adds the task's remedy."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def need_file(path: Path, shown: Path | None = None) -> Path:
    """Return `path` if it is a file, else raise MissingDataError (naming `shown` if given)."""
    if not path.is_file():
        raise MissingDataError(shown or path)
    return path


def need_folder(path: Path) -> Path:
    """Return `path` if it is a folder, else raise MissingDataError."""
    if not path.is_dir():
        raise MissingDataError(path)
    return path

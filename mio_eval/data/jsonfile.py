"""Reads the JSON files of data sets, with errors that name the file and the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UsageError
from ..types import Json
from .layout import need_file


def load_json(path: Path) -> Json:
    """Parse a JSON file of a data set. Raises MissingDataError or UsageError."""
    try:
        return json.loads(need_file(path).read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}); fetch the official file again") from error


def load_jsonl(path: Path) -> Iterator[tuple[int, Json]]:
    """Yield line numbers and rows of a JSON Lines file."""
    with need_file(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError as error:
                    raise UsageError(
                        f"{path} line {number} is not JSON ({error}); fetch the file again"
                    ) from error


@contextmanager
def schema_of(path: Path) -> Iterator[None]:
    """Turn a missing or mistyped field of a row into an error that names the file."""
    try:
        yield
    except KeyError as error:
        raise UsageError(
            f"{path}: a row has no field {error}; this is not the official file, fetch it again"
        ) from error
    except (TypeError, AttributeError, IndexError) as error:
        raise UsageError(
            f"{path}: a row is malformed ({error}); this is not the official file, fetch it again"
        ) from error

"""Reads the JSON files of data sets, with errors that name the file and the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UsageError
from ..jsonio import clean_text
from ..types import Json
from .layout import need_file


def load_json(path: Path) -> Json:
    """Parse a JSON file of a data set. Raises MissingDataError or UsageError."""
    try:
        return json.loads(need_file(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}); fetch the official file again") from error


def load_jsonl(path: Path) -> Iterator[tuple[int, Json]]:
    """Yield line numbers and rows of a JSON Lines file."""
    with need_file(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise UsageError(
                        f"{path} line {number} is not JSON ({error}); fetch the file again"
                    ) from error
                yield number, row


def rows_of(data: Json, key: str | None = None) -> list[Json]:
    """Return the list that a file holds, under a key where it has one. Raises TypeError."""
    rows = data if key is None else data[key]
    if not isinstance(rows, list):
        raise TypeError(f"{key or 'the file'} is not a list")
    return rows


def text_of(row: Json, key: str) -> str:
    """Return a text field. Raises TypeError for another type, KeyError when it is absent."""
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r:.40}, not text")
    return clean_text(value)


def id_of(row: Json, key: str) -> str:
    """Return an identifier, a number or a text in the file, as text."""
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise TypeError(f"{key} is {value!r:.40}, not a number or text")
    return clean_text(str(value))


@contextmanager
def schema_of(path: Path) -> Iterator[None]:
    """Turn a missing or mistyped field of a row into an error that names the file."""
    try:
        yield
    except KeyError as error:
        raise UsageError(
            f"{path}: a row has no field {error}; this is not the official file, fetch it again"
        ) from error
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise UsageError(
            f"{path}: a row is malformed ({error}); this is not the official file, fetch it again"
        ) from error

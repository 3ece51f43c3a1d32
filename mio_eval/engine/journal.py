"""The append-only journal of a task: one JSON line a sample, torn at the end at most.

Lines are handed to the operating system before the next answers are taken, so a killed process
loses no more than those of a batch that it had not yet written; `fsync` follows once a second,
which bounds what a power cut takes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from pydantic_core import from_json  # twice as fast as json.loads

from ..errors import RunError
from ..jsonio import clean_text, dumps, write_atomic
from ..types import Json
from .idtable import IdTable

_SYNC_SECONDS = 1.0


class Journal:
    """Appends records to a JSON Lines file. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._handle).st_size
        self._synced = time.monotonic()

    def append(self, *records: Json) -> None:
        """Write records. Raises RunError when the disk refuses them; whole lines stay."""
        lines = b"".join(map(json_line, records))
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._handle, lines[written:])
        except OSError as error:
            self._size += lines.rfind(b"\n", 0, written) + 1
            with suppress(OSError):  # a torn line at the end is repaired when the run goes on
                os.ftruncate(self._handle, self._size)
            raise RunError(
                f"cannot write {self.path}: {error.strerror}. Everything finished is kept; "
                "free space, then run the same command again"
            ) from error
        self._size += len(lines)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Make everything written durable."""
        os.fsync(self._handle)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close the file."""
        try:
            self.sync()
        finally:
            handle, self._handle = self._handle, -1  # the number may soon be another file's
            os.close(handle)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_journal(path: Path) -> Iterator[Json]:
    """Yield the records of a journal, ignoring a torn last line.

    Raises RunError for a damaged line elsewhere.
    """
    return (record for record, _ in _sized(path))


def _sized(path: Path) -> Iterator[tuple[Json, int]]:
    """Yield the records of a journal, each with the bytes of its line."""
    if not path.exists():
        return
    with path.open("rb") as file:
        torn = 0
        for number, line in enumerate(file, 1):
            if torn:
                raise RunError(
                    f"{path} line {torn} is damaged; restore the file or start a new run"
                )
            try:
                if not line.endswith(b"\n"):
                    raise ValueError
                record = _parsed(line)
                if not isinstance(record, dict):
                    raise ValueError
            except ValueError:
                torn = number
                continue
            yield record, len(line)


def _parsed(line: bytes) -> Json:
    try:
        return from_json(line, allow_inf_nan=False, cache_strings="keys")
    except ValueError:  # damage, or escapes of lone surrogates, which only json reads
        return json.loads(line)


def is_ok(record: Json) -> bool:
    """Tell whether a record is of a finished sample."""
    return bool(record["status"] == "ok")


class Kept(Protocol):
    """Where the ids of finished records go, each with its content hash."""

    def put(self, name: str, content: Json) -> bool:
        """Add an id; tell whether it is new."""


class _Dictionary(dict[str, Json]):
    def put(self, name: str, content: Json) -> bool:
        new = name not in self
        if new:
            self[name] = content
        return new


def repair_journal(path: Path, finished: Callable[[Json], bool] = is_ok) -> dict[str, Json]:
    """Drop a torn last line and what is not `finished` (it is tried again).

    Returns the ids kept, each with its record's content hash (None where records have none). The
    file is rewritten, atomically, only when there is something to drop.
    """
    kept = _Dictionary()
    repair_into(path, kept, finished)
    return kept


def repair_into(path: Path, kept: Kept, finished: Callable[[Json], bool] = is_ok) -> None:
    """Do the same, putting what is kept into a given table."""
    size = 0
    for record, length in _sized(path):
        if finished(record) and kept.put(record["id"], record.get("content")):
            size += length
    if path.exists() and size != path.stat().st_size:
        seen = IdTable()
        write_atomic(path, (json_line(r) for r in read_journal(path) if _keep(r, finished, seen)))


def _keep(record: Json, finished: Callable[[Json], bool], seen: IdTable) -> bool:
    return finished(record) and seen.add(record["id"])


def json_line(record: Json) -> bytes:
    """Encode a record as one line. Lone surrogates, which UTF-8 cannot hold, become U+FFFD."""
    try:
        return dumps(record).encode() + b"\n"
    except UnicodeEncodeError:
        return dumps(_clean(record)).encode() + b"\n"


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(name): _clean(item) for name, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value

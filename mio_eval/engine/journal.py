"""The append-only journal of a task: one JSON line a sample, torn at the end at most.

A line is handed to the operating system before the next sample is taken, so a killed process
loses nothing that was finished; `fsync` follows once a second, which bounds what a power cut takes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from ..errors import RunError
from ..jsonio import dumps, write_atomic
from ..types import Json

_SYNC_SECONDS = 1.0


class Journal:
    """Appends records to a JSON Lines file. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._handle).st_size
        self._synced = time.monotonic()

    def append(self, record: Json) -> None:
        """Write one record. Raises RunError when the disk refuses it; earlier lines stay whole."""
        line = dumps(record).encode() + b"\n"
        try:
            written = os.write(self._handle, line)
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError as error:
            os.ftruncate(self._handle, self._size)
            raise RunError(
                f"cannot write {self.path}: {error.strerror}. Everything finished is kept; "
                "free space, then run the same command again"
            ) from error
        self._size += len(line)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Make everything written durable."""
        os.fsync(self._handle)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close the file."""
        self.sync()
        os.close(self._handle)

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
                record = json.loads(line)
            except ValueError:
                torn = number
                continue
            yield record


def repair_journal(path: Path, keep_failed: bool = False) -> set[str]:
    """Drop a torn last line and failed samples (they are tried again); return the ids kept.

    The file is rewritten, atomically, only when there is something to drop.
    """
    kept: set[str] = set()
    clean = True
    for record in read_journal(path):
        if (record["status"] == "ok" or keep_failed) and record["id"] not in kept:
            kept.add(record["id"])
        else:
            clean = False
    if path.exists() and (not clean or not _ends_whole(path)):
        seen: set[str] = set()
        write_atomic(path, (_line(r) for r in read_journal(path) if _keep(r, keep_failed, seen)))
    return kept


def _keep(record: Json, keep_failed: bool, seen: set[str]) -> bool:
    if record["id"] in seen or not (record["status"] == "ok" or keep_failed):
        return False
    seen.add(record["id"])
    return True


def _line(record: Json) -> bytes:
    return dumps(record).encode() + b"\n"


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

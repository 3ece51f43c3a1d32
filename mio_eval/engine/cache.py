"""Finished responses, found again by content: one SQLite database (WAL) beside the runs.

The journal is the truth of one run; this store is what lets another run with the same model find
a response. Why SQLite and not the journals themselves: docs/decisions/0002-response-cache.md.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..errors import RunError
from ..jsonio import dumps, file_sha256
from ..types import Json

DATABASE = "responses.sqlite"
_SCHEMA = "CREATE TABLE IF NOT EXISTS responses (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID"

_SELECT = "SELECT value FROM responses WHERE key = ?"
_INSERT = "INSERT OR IGNORE INTO responses VALUES (?, ?)"


class ResponseCache:
    """Maps content keys to recorded outputs. Safe for several threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.media = folder / "media"
        self.media.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()  # one thread looks up while another records
        try:
            self._database = sqlite3.connect(
                folder / DATABASE, timeout=60, isolation_level=None, check_same_thread=False
            )
            # WAL with NORMAL never loses a committed row to a killed process.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            # Pages, 64 MB: a checkpoint waits for the disk, and nothing is gained by many.
            self._database.execute("PRAGMA wal_autocheckpoint=16384")
            self._database.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error

    def get(self, key: str) -> Json | None:
        """Return what was recorded under a key, or None."""
        return self.get_all([key]).get(key)

    def get_all(self, keys: Iterable[str]) -> dict[str, Json]:
        """Return what was recorded under those of the keys that are known."""
        found = {}
        try:
            with self._lock:
                for key in keys:
                    rows = self._database.execute(_SELECT, (bytes.fromhex(key),)).fetchall()
                    if rows:
                        found[key] = rows[0][0]
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error
        values = {key: json.loads(text) for key, text in found.items()}
        # A response whose medium is gone must be made again, and take this one's place.
        lost = [key for key, value in values.items() if not self._medium_whole(value["output"])]
        for key in lost:
            del values[key]
            self._drop(key)
        return values

    def put(self, key: str, value: Json) -> None:
        """Record an output under a key; an earlier record stays."""
        self.put_all([(key, value)])

    def put_all(self, entries: Iterable[tuple[str, Json]]) -> None:
        """Record outputs under their keys, in one transaction; earlier records stay."""
        rows = [(bytes.fromhex(key), dumps(value)) for key, value in entries]
        if not rows:
            return  # not even the lock is asked for
        try:
            with self._lock:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    self._database.executemany(_INSERT, rows)
                    self._database.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.DatabaseError):
                        self._database.execute("ROLLBACK")
                    raise
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error

    def _medium_whole(self, output: Json) -> bool:
        """Tell whether a response's medium is there, unchanged; a changed one is removed."""
        for modality in ("image", "audio", "video"):
            if modality in output:
                path = self.folder / output[modality]
                if not path.is_file():
                    return False
                if file_sha256(path) != output["sha256"]:
                    path.unlink(missing_ok=True)
                    return False
        return True

    def _drop(self, key: str) -> None:
        try:
            with self._lock:
                self._database.execute("DELETE FROM responses WHERE key = ?", (bytes.fromhex(key),))
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _error(self, error: sqlite3.DatabaseError) -> RunError:
        return RunError(
            f"response cache {self.folder / DATABASE}: {error}. Everything finished is kept; "
            "free space or move the file away, then run the same command again"
        )


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file at `target`, by hard link where the file system can, unless it is there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        try:
            os.link(source, target)
        except OSError as error:
            if isinstance(error, FileExistsError):
                raise
            _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file wholly or not at all."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

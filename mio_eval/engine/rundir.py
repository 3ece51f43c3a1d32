"""A run directory: its lock, its run.json, its files. The layout is a contract (DESIGN 4)."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import RunError, UsageError
from ..jsonio import file_sha256, write_json
from ..types import Json

SCHEMA_VERSION = 1
RUN_JSON = "run.json"
SAMPLES = "samples.jsonl"
ANNOTATIONS = "annotations.jsonl"
STATS = "stats.jsonl"
REFERENCES = "references.jsonl"
SUBMISSION = "submission.json"  # answers of an unscored split, for the evaluation server
_LOCK = ".lock"
# What write_atomic calls a file of a run before it is whole.
_TEMPORARY = re.compile(r"\.(run\.json|\w+\.jsonl|report\.\w+|[0-9a-f]{64}\.\w+)\.[a-z0-9_]{8}")
# Derived files, rewritten by `report`: not part of what a run's hashes protect.
_UNHASHED = {RUN_JSON, "report.md", "report.html"}


class RunDirectory:
    """One run on disk. `open` takes the lock that keeps a second writer out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: FileLock | None = None

    @classmethod
    def create(cls, runs: Path, model: str) -> RunDirectory:
        """Make a new run directory, named by time and model, and lock it."""
        slug = re.sub(r"[^a-z0-9.]+", "-", model.lower()).strip("-.")[:40] or "model"
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = runs / f"{stamp}-{slug}-{secrets.token_hex(2)}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise UsageError(
                f"cannot make the run directory {path}: {error.strerror}; choose another --out"
            ) from error
        run = cls(path)
        run.lock()
        return run

    def lock(self) -> None:
        """Take the run's lock. Raises RunError when another process holds it."""
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise RunError(
                f"run {self.path} is in use by another process; wait for it, or start a new run"
            ) from error
        self._lock = lock
        self._sweep()

    def _sweep(self) -> None:
        """Remove half-written temporary files that a killed process left."""
        for path in list(self.path.rglob(".*")):
            if _TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def task(self, directory: str) -> Path:
        """Return the folder of a task, made if need be."""
        folder = self.path / directory
        folder.mkdir(exist_ok=True)
        return folder

    def read(self) -> Json:
        """Read run.json. Raises UsageError when this is no run directory."""
        path = self.path / RUN_JSON
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise UsageError(
                f"{self.path} is not a run directory: it has no {RUN_JSON}; "
                "give a folder such as results/runs/<run-id>"
            ) from error
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: {error}") from error
        if data.get("schema_version") != SCHEMA_VERSION:
            raise UsageError(
                f"{path}: schema version {data.get('schema_version')}, this mio-eval reads "
                f"{SCHEMA_VERSION}; use the version of mio-eval that wrote it"
            )
        return data

    def write(self, data: Json) -> None:
        """Write run.json atomically."""
        try:
            write_json(self.path / RUN_JSON, data)
        except OSError as error:
            raise RunError(
                f"cannot write {self.path / RUN_JSON}: {error.strerror}. Everything finished is "
                "kept; free space, then run the same command again"
            ) from error

    def hash_files(self) -> Json:
        """Return the sha256 and size of every file the run's scores rest on."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            relative = path.relative_to(self.path).as_posix()
            # Hidden files are locks, or what a killed process left of a file it never put in place.
            if path.is_file() and not path.name.startswith(".") and relative not in _UNHASHED:
                found[relative] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        return found


def runs_in(folder: Path) -> Iterator[RunDirectory]:
    """Yield the run directories of a folder, newest first."""
    if folder.is_dir():
        for path in sorted(folder.iterdir(), reverse=True):
            if (path / RUN_JSON).is_file():
                yield RunDirectory(path)

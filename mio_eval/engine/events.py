"""`--log-json`: the course of a run for programs, one strict JSON object a line."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ..errors import UsageError
from ..jsonio import clean_text, dumps
from ..types import Json

EVERY = 10.0  # seconds between two lines of progress


class JsonLog:
    """A `Progress` that writes events; docs/engine.md lists them.

    Args:
        target: a file that lines are added to, or `-` for standard output.
        every: seconds between two lines of progress.
    """

    def __init__(
        self, target: str, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()
        self._own = target != "-"
        self._file: IO[str] = sys.stdout
        if self._own:
            try:
                self._file = Path(target).open("a", encoding="utf-8", errors="replace")  # noqa: SIM115
            except OSError as error:
                raise UsageError(
                    f"--log-json {target}: {error.strerror}; give a file that can be written, or -"
                ) from error
        self._stage: dict[str, Json] = {}
        self._total: int | None = None
        self._before = self._done = self._failed = self._cached = 0
        self._failures: dict[str, int] = {}
        self._busy: float | None = None
        self._started = self._shown = 0.0

    def message(self, text: str) -> None:
        self._write("message", text=text)

    def start(self, stage: str, task: str, total: int | None, done: int) -> None:
        self._stage = {"stage": stage, "task": task}
        self._total, self._before, self._done = total, done, done
        self._failed = self._cached = 0
        self._failures, self._busy = {}, None
        self._started = self._shown = self._clock()
        self._write("stage_started", **self._stage, total=total, done=done)

    def advance(self, failed: bool = False, cached: bool = False) -> None:
        self._done += 1
        self._failed += failed
        self._cached += cached
        if self._clock() - self._shown >= self._every:
            self._shown = self._clock()
            self._progress("progress")

    def finish(self) -> None:
        self._progress("stage_finished")

    def event(self, name: str, /, **facts: Json) -> None:
        if name == "busy":
            self._busy = facts["share"]
            return
        if name == "failure":
            stage = facts["stage"]
            self._failures[stage] = self._failures.get(stage, 0) + 1
        self._write(name, **facts)

    def close(self) -> None:
        """Close the file."""
        if self._own:
            self._file.close()

    def _progress(self, name: str) -> None:
        seconds = self._clock() - self._started
        rate = (self._done - self._before) / seconds if seconds > 0 else None
        left = None if self._total is None or not rate else (self._total - self._done) / rate
        self._write(
            name,
            **self._stage,
            done=self._done,
            total=self._total,
            failed=self._failed,
            failures=dict(self._failures),
            cached=self._cached,
            seconds=round(seconds, 3),
            samples_per_second=None if rate is None else round(rate, 3),
            seconds_left=None if left is None else round(left, 1),
            busy_share=self._busy,
        )

    def _write(self, name: str, /, **facts: Json) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = clean_text(dumps({"event": name, "time": now, **facts}))
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

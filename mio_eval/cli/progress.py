"""Shows the course of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ..engine.progress import Progress
from ..types import Json

if TYPE_CHECKING:
    from rich.progress import TaskID

_LINE_SECONDS = 10.0  # between two plain lines


def make_progress() -> Progress:
    """Return the display that fits standard error."""
    return Bar() if sys.stderr.isatty() else Lines()


class Lines:
    """Plain lines on standard error, one every ten seconds and one at each stage's end."""

    def __init__(self) -> None:
        self._label = ""
        self._total: int | None = None
        self._done = self._failed = self._cached = self._before = 0
        self._started = self._shown = 0.0
        self._busy: float | None = None

    def message(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def start(self, stage: str, task: str, total: int | None, done: int) -> None:
        self._label = f"{task}: {stage}"
        self._total = total
        self._before = self._done = done
        self._failed = self._cached = 0
        self._started = self._shown = time.monotonic()
        self._busy = None

    def advance(self, failed: bool = False, cached: bool = False) -> None:
        self._done += 1
        self._failed += failed
        self._cached += cached
        if time.monotonic() - self._shown >= _LINE_SECONDS:
            self._shown = time.monotonic()
            self.message(self._line())

    def finish(self) -> None:
        self.message(self._line())

    def event(self, name: str, /, **facts: Json) -> None:
        if name == "busy":
            self._busy = facts["share"]

    def _line(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / elapsed
        total = "" if self._total is None else f"/{self._total}"
        left = "" if self._total is None else f", {_duration(self._total - self._done, rate)} left"
        cached = f", {self._cached} from cache" if self._cached else ""
        busy = "" if self._busy is None else f", model busy {self._busy:.0%}"
        return (
            f"{self._label} {self._done}{total}, {rate:.1f}/s{left}, "
            f"{self._failed} failed{cached}{busy}"
        )


def _duration(count: int, rate: float) -> str:
    if count <= 0:
        return "0 s"
    if rate <= 0:
        return "unknown time"
    seconds = count / rate
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class Bar:
    """A bar with rate, time left and failures, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TextColumn("{task.fields[busy]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._failed = self._count = 0
        self._started = 0.0

    def message(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def start(self, stage: str, task: str, total: int | None, done: int) -> None:
        self._failed = self._count = 0
        self._started = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(
            f"{task}: {stage}", total=total, completed=done, failed=0, rate="", busy=""
        )

    def advance(self, failed: bool = False, cached: bool = False) -> None:
        assert self._task is not None
        self._failed += failed
        self._count += 1
        rate = self._count / max(time.monotonic() - self._started, 1e-9)
        self._bar.update(self._task, advance=1, failed=self._failed, rate=f"{rate:.1f}/s")

    def finish(self) -> None:
        if self._task is not None:
            completed = self._bar.tasks[self._task].completed
            self._bar.update(self._task, total=completed)
        self._bar.stop()

    def event(self, name: str, /, **facts: Json) -> None:
        if name == "busy" and self._task is not None:
            self._bar.update(self._task, busy=f"model busy {facts['share']:.0%}")

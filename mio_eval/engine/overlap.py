"""Scores finished tasks in a thread while the next task is generated."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[], T]
    finished: threading.Event = field(default_factory=threading.Event)
    result: list[T] = field(default_factory=list)
    error: BaseException | None = None
    dropped: bool = False

    def run(self) -> None:
        try:
            if not self.dropped:
                self.result.append(self.work())
        # Raised again where the result is taken.
        except BaseException as error:
            self.error = error
        finally:
            self.finished.set()


class Background(Generic[T]):
    """Runs jobs one after the other in one thread; results come in the order of the jobs."""

    def __init__(self) -> None:
        self._open: deque[_Job[T]] = deque()
        self._work: queue.SimpleQueue[_Job[T] | None] | None = None
        self._thread: threading.Thread | None = None

    def add(self, work: Callable[[], T], at_once: bool) -> None:
        """Run a job: in the thread, or here and now, after those before it."""
        job = _Job(work)
        if at_once:
            for before in self._open:
                before.finished.wait()
            job.run()
        else:
            if self._work is None:
                self._work = queue.SimpleQueue()
                self._thread = threading.Thread(
                    target=_serve, args=(self._work,), name="mio-eval-scores", daemon=True
                )
                self._thread.start()
            self._work.put(job)
        self._open.append(job)

    def results(self, wait: bool = False) -> Iterator[T]:
        """Yield the results of jobs that are finished; raises what one raised."""
        while self._open and (wait or self._open[0].finished.is_set()):
            job = self._open.popleft()
            job.finished.wait()
            if job.error is not None:
                raise job.error
            yield job.result[0]

    def close(self) -> None:
        """Start no further job, and wait for the one under way."""
        if self._work is None or self._thread is None:
            return
        for job in self._open:
            job.dropped = True
        self._work.put(None)
        self._thread.join()
        self._work = self._thread = None


def _serve(work: queue.SimpleQueue[_Job[T] | None]) -> None:
    while (job := work.get()) is not None:
        job.run()

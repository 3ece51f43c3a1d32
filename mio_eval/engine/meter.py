"""Where the time of a stage goes: clocks that several threads may run at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..types import Json


class Meter:
    """Adds up the seconds of a generate stage.

    `busy` is the time in which the backend was inside `generate` (for streams: had a request),
    `waiting` that in which it waited for its next batch; both are wall time. `decode` and `read`
    are summed over the threads of the pool, so they may exceed it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self.started = time.perf_counter()
            self.decode = self.read = self.waiting = 0.0
            self._busy = 0.0
            self._inside = 0
            self._since = 0.0

    def enter(self) -> None:
        """The backend got work."""
        with self._lock:
            if not self._inside:
                self._since = time.perf_counter()
            self._inside += 1

    def leave(self, count: int = 1) -> None:
        """Work ended."""
        with self._lock:
            self._inside -= count
            if not self._inside:
                self._busy += time.perf_counter() - self._since

    @property
    def busy(self) -> float:
        """Seconds the backend has worked so far."""
        with self._lock:
            running = time.perf_counter() - self._since if self._inside else 0.0
            return self._busy + running

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to `decode`, `read` or `waiting`."""
        with self._lock:
            setattr(self, stage, getattr(self, stage) + seconds)

    def add_busy(self, seconds: float) -> None:
        """Add work that was measured elsewhere."""
        with self._lock:
            self._busy += seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a block as part of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def share(self, workers: int = 1) -> float:
        """Return busy time over wall time since the start, of all workers together."""
        wall = max(time.perf_counter() - self.started, 1e-9)
        return min(1.0, self.busy / (wall * workers))


def peak_memory() -> Json:
    """Return the process's peak memory in bytes, and the accelerator's if torch is in use."""
    found: dict[str, int] = {}
    if (process := process_peak()) is not None:
        found["process"] = process
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["accelerator"] = max(
            torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count())
        )
    return found


def process_peak() -> int | None:
    """Return the most memory in bytes that this process ever held; None where nothing tells."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # no such module on Windows
        return None
    # Not for Linux, where it also counts the process that started this one.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak

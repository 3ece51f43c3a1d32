"""Reads and decodes ahead of the model: a pool of threads, an ordered map, a bounded queue."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Generic, TypeVar

from ..errors import MioEvalError
from ..models.base import describe
from ..types import Failure, Request
from .meter import Meter

T = TypeVar("T")
R = TypeVar("R")

LIMIT_BYTES = 1 << 30  # prepared media held at once
LIMIT_COUNT = 256  # requests prepared ahead of their turn
_QUICK, _SLOW = 0.02, 0.1  # seconds of a thread's work, below and above which it gets more or less
_DEPTH = 8  # nesting that `size_of` follows
_names = itertools.count(1)


class Pool:
    """Threads that run jobs. They are daemons: a decoder that hangs cannot keep the process."""

    def __init__(self, threads: int) -> None:
        self.size = threads
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job soon. A job must not raise."""
        if len(self._threads) < self.size:
            self.add_thread()
        self._jobs.put(job)

    def add_thread(self) -> None:
        """Start one more thread, for example in the place of one that hangs."""
        name = f"mio-eval-pool-{next(_names)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Let the threads end, and wait for those that do within some seconds."""
        for _ in self._threads:
            self._jobs.put(None)
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._threads.clear()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # nothing is held while the thread waits


@dataclass(slots=True)
class _Chunk(Generic[T, R]):
    function: Callable[[T], R]
    items: list[T]
    results: list[R]
    finished: threading.Event
    took: Callable[[float], None]
    error: BaseException | None = None
    seconds: float = 0.0

    def __call__(self) -> None:
        start = time.perf_counter()
        try:
            for item in self.items:
                self.results.append(self.function(item))
        except BaseException as error:
            self.error = error
        finally:
            self.seconds = time.perf_counter() - start
            self.took(self.seconds)
            self.finished.set()


def mapped_ahead(
    pool: Pool,
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ahead: int = 1024,
    chunk: int = 256,
    took: Callable[[float], None] = lambda seconds: None,
) -> Generator[list[R], None, None]:
    """Yield function(item) for each item in order, some at a time, computed up to `ahead` before.

    An exception of the function comes out at its item's place. Items are read in the caller's
    thread. `took` is told the seconds spent in the function.

    A thread gets one item at a time at first, more where they are quick, as handing over costs more
    than some work. `chunk` items within 20 ms are so quick that the caller's thread does them.
    """
    waiting: deque[_Chunk[T, R]] = deque()
    source = iter(items)
    held, size = 0, 1
    while part := list(itertools.islice(source, size)):
        job = _Chunk(function, part, [], threading.Event(), took)
        if size < chunk:
            pool.submit(job)
        else:
            job()
        waiting.append(job)
        held += len(part)
        while waiting and (waiting[0].finished.is_set() or held >= ahead):
            job = waiting.popleft()
            held -= len(job.items)
            yield from _results(job)
            if job.seconds < _QUICK:
                size = min(2 * size, chunk)
            elif job.seconds > _SLOW:
                size = max(1, size // 2)
    while waiting:
        yield from _results(waiting.popleft())


def _results(job: _Chunk[T, R]) -> Iterator[list[R]]:
    job.finished.wait()
    if job.results:
        yield job.results
    if job.error is not None:
        raise job.error


@dataclass(slots=True, eq=False)
class Prepared:
    """A request on its way to the model."""

    request: Request
    ready: bool = True
    started: float | None = None
    """When a thread began to prepare it."""
    bytes: int = 0
    failure: Failure | None = None
    error: MioEvalError | None = None


class Prefetch:
    """Prepares requests ahead of their turn and hands them out in their order.

    Args:
        requests: read lazily, in a thread of its own; what that raises comes out of `take`. None
            ends a batch.
        prepare: a backend's `prepare`, or None when it has none.
        pool: runs it.
        timeout: seconds after which a preparation has failed.
        limit_bytes: how much prepared media may be held; a model that waits gets its batch all
            the same, so that a batch larger than the limit works.
        limit_count: how many requests are held.
        meter: told the seconds of decoding.
    """

    def __init__(
        self,
        requests: Iterable[Request | None],
        prepare: Callable[[Request], object] | None,
        pool: Pool,
        *,
        timeout: float,
        limit_bytes: int = LIMIT_BYTES,
        limit_count: int = LIMIT_COUNT,
        meter: Meter | None = None,
    ) -> None:
        self._prepare = prepare
        self._pool = pool
        self._timeout = timeout
        self._limit_bytes = limit_bytes
        self._limit_count = limit_count
        self._meter = meter or Meter()
        self._changed = threading.Condition()
        self._queue: deque[Prepared | None] = deque()  # None: a batch ends here
        self._marks = 0
        self._under_way = 0  # being prepared
        self._held = 0  # bytes prepared and not released
        self._largest = 0  # bytes of the largest so far: what one under way may come to
        self._wanted = 0  # requests that a `take` waits for
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self.most_held = 0
        name = f"mio-eval-reader-{next(_names)}"
        self._reader = threading.Thread(target=self._read, args=(requests,), name=name, daemon=True)
        self._reader.start()

    def take(self, count: int) -> list[Prepared]:
        """Wait for the next `count` requests, prepared; fewer at the end or at a mark, then none.

        Raises what reading the requests raised, once all read before are taken.
        """
        with self._changed:
            taken: list[Prepared] = []
            while not taken:
                self._wanted = count
                while not (self._enough(count) or self._ended or self._stopped):
                    self._changed.notify_all()
                    self._changed.wait()
                self._wanted = 0
                if self._stopped:
                    return []
                taken = self._pop(count)
                if not taken and self._ended and not self._queue:
                    break
            if not taken and self._error is not None:
                error, self._error = self._error, None
                raise error
            # Not at every request that leaves: waking the reading thread costs more than reading.
            if 2 * len(self._queue) <= self._limit_count:
                self._changed.notify_all()
            for item in taken:
                self._wait_for(item)
            return taken if not self._stopped else []

    def poll(self, count: int) -> tuple[list[Prepared], int | None]:
        """Take up to `count` requests that are there, without waiting (where nothing prepares).

        Returns them and how many are left for sure, None while more are being read. Raises what
        reading the requests raised.
        """
        with self._changed:
            taken = self._pop(count)
            if not taken and self._ended and self._error is not None:
                error, self._error = self._error, None
                raise error
            self._changed.notify_all()
            return taken, len(self._queue) if self._ended and self._error is None else None

    def _enough(self, count: int) -> bool:
        return self._marks > 0 or len(self._queue) >= count

    def _pop(self, count: int) -> list[Prepared]:
        taken: list[Prepared] = []
        while len(taken) < count and self._queue:
            item = self._queue.popleft()
            if item is None:
                self._marks -= 1
                break
            taken.append(item)
        return taken

    def put_back(self, items: list[Prepared]) -> None:
        """Hand requests out again, before all others; their media stay prepared."""
        with self._changed:
            self._queue.extendleft(reversed(items))

    def release(self, items: Iterable[Prepared]) -> None:
        """The media of these requests are no longer held."""
        with self._changed:
            self._held -= sum(item.bytes for item in items)
            self._changed.notify_all()

    def stop(self, seconds: float = 5.0) -> None:
        """Read and prepare nothing more; wait for the reading thread to end, for some seconds."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._marks = 0
            self._changed.notify_all()
        self._reader.join(seconds)

    def _wait_for(self, item: Prepared) -> None:
        """Wait until a request is prepared, or took too long to be."""
        while not (item.ready or self._stopped):
            left = self._timeout
            if item.started is not None:
                left += item.started - time.monotonic()
                if left <= 0:
                    self._give_up(item)
                    break
            self._changed.wait(left)
        if item.error is not None:
            raise item.error

    def _give_up(self, item: Prepared) -> None:
        message = f"not decoded within {self._timeout:g} s (--timeout)"
        item.failure = Failure("decode", "TimeoutError", message)
        item.ready = True
        self._under_way -= 1
        self._pool.add_thread()  # the one that hangs is lost

    def _read(self, requests: Iterable[Request | None]) -> None:
        source = iter(requests)
        try:
            for request in source:
                if request is None:
                    with self._changed:
                        self._queue.append(None)
                        self._marks += 1
                        self._changed.notify_all()
                    continue
                item = Prepared(request, ready=self._prepare is None)
                with self._changed:
                    while not (self._stopped or self._may_hold_another()):
                        self._changed.wait()
                    if self._stopped:
                        break
                    self._queue.append(item)
                    self._under_way += not item.ready
                    if self._wanted and len(self._queue) >= self._wanted:
                        self._changed.notify_all()
                if not item.ready:
                    self._pool.submit(lambda item=item: self._run(item))  # type: ignore[misc]
        # Whatever reading raises is raised again where the requests are taken.
        except BaseException as error:
            self._error = error
        finally:
            if (close := getattr(source, "close", None)) is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _may_hold_another(self) -> bool:
        """Tell whether there is room, or the model waits for more than is there."""
        if self._wanted > len(self._queue):
            return True
        if len(self._queue) >= self._limit_count:
            return False
        if self._prepare is None:
            return True
        if not self._largest and self._under_way >= self._pool.size:
            return False  # how large they are is not known yet
        return self._held + (self._under_way + 1) * self._largest <= self._limit_bytes

    def _run(self, item: Prepared) -> None:
        if self._stopped:
            return
        assert self._prepare is not None
        item.started = time.monotonic()
        prepared: object = None
        failure: Failure | None = None
        error: MioEvalError | None = None
        start = time.perf_counter()
        try:
            prepared = self._prepare(item.request)
        except MioEvalError as raised:
            error = raised  # a missing package is no sample's fault
        # The per-sample boundary of decoding; a library's exit() must not end the thread.
        except BaseException as raised:
            failure = describe(raised)
            if failure.stage == "generate":
                failure = replace(failure, stage="decode")
        self._meter.add("decode", time.perf_counter() - start)
        size = size_of(prepared)
        with self._changed:
            if item.ready:  # given up meanwhile
                return
            item.failure, item.error, item.bytes = failure, error, size
            if prepared is not None:
                item.request = replace(item.request, prepared=prepared)
            item.ready = True
            self._under_way -= 1
            self._held += size
            self._largest = max(self._largest, size, 1)
            self.most_held = max(self.most_held, self._held)
            self._changed.notify_all()


def size_of(value: object, depth: int = _DEPTH) -> int:
    """Estimate the bytes that arrays, tensors, images and byte strings in a value hold."""
    size = 0
    if isinstance(value, bytes | bytearray | str):
        size = len(value)
    elif isinstance(nbytes := getattr(value, "nbytes", None), int):
        size = nbytes
    elif (bands := getattr(value, "getbands", None)) is not None:  # a Pillow image
        width, height = value.size  # type: ignore[attr-defined]
        size = width * height * len(bands())
    elif depth:
        size = sum(size_of(item, depth - 1) for item in _inside(value))
    return size


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value
    if is_dataclass(value):
        return (getattr(value, one.name, None) for one in fields(value))
    return getattr(value, "__dict__", {}).values()

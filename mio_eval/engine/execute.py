"""Runs a backend in a worker thread, so that a hanging model cannot hang the run.

The reading thread of `Prefetch` takes requests and has their media decoded; the worker thread is
inside the backend; the caller's thread gets responses. Each is ahead of the next.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

from ..errors import RunError
from ..models.base import Backend
from ..types import Failure, Json, Media, Modality, Request, Response, Text
from .batching import BatchSize, by_cost
from .meter import Meter
from .prefetch import LIMIT_BYTES, LIMIT_COUNT, Pool, Prefetch
from .worker import UNREAD, Began, Course, Ended, Event

MAX_HANGS = 3  # batches in a row without an answer in time, after which the run is given up


class Engine(Protocol):
    """What answers requests: one backend here, or many elsewhere."""

    pool: Pool
    meter: Meter
    workers: int

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Load what a task with these modalities needs."""

    def run(self, requests: Iterable[Request]) -> Generator[list[Response], None, None]:
        """Yield responses as they come, one a request; those that are there already together."""

    def describe(self) -> Json:
        """Return what run.json records of how it went."""

    def close(self) -> None:
        """Free threads and processes."""


def default_threads() -> int:
    """Threads that read and decode: two a core, as many wait for the disk; at most 16."""
    return min(16, max(2, 2 * (os.cpu_count() or 1)))


class Executor:
    """Answers requests with one backend. Every request gets exactly one response.

    Args:
        backend: the model.
        timeout: seconds without any response after which the rest of a batch has failed.
        say: takes lines worth showing.
        size: how many requests the model gets at once.
        threads: how many threads read and decode.
        limit_bytes: prepared media held at once.
        sort: order requests by cost; else they are answered in the order given.
    """

    workers = 1

    def __init__(
        self,
        backend: Backend,
        timeout: float,
        say: Callable[[str], None] = lambda text: None,
        *,
        size: BatchSize | None = None,
        threads: int | None = None,
        limit_bytes: int = LIMIT_BYTES,
        sort: bool = True,
    ) -> None:
        self.meter = Meter()
        self.pool = Pool(threads or default_threads())
        self.size = size or BatchSize(16)
        self._backend = backend
        self._timeout = timeout
        self._say = say
        self._limit_bytes = limit_bytes
        self._sort = sort
        self._hangs = 0

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Load what a task with these modalities needs."""
        self._backend.load(inputs, output)

    def run(self, requests: Iterable[Request | None]) -> Generator[list[Response], None, None]:
        """Yield responses as they come, one a request; those that are there already together.

        A request the backend did not answer, or answered with another modality than asked, comes
        back as a failure. Of two answers to one request the first counts, as it is journalled at
        once; that, and an answer to no request, is said. Raises RunError when the backend hangs
        for good, and whatever reading the requests raises.
        """
        self.size.start_task()
        self.meter.reset()
        source = by_cost(_all(requests), self._backend.cost) if self._sort else requests
        prepares = type(self._backend).prepare is not Backend.prepare
        prefetch = Prefetch(
            source,
            self._backend.prepare if prepares else None,
            self.pool,
            timeout=self._timeout,
            limit_bytes=self._limit_bytes,
            limit_count=max(LIMIT_COUNT, 2 * self.size.current),
            meter=self.meter,
        )
        course = Course(self._backend, prefetch, self.size, self.meter)
        try:
            yield from self._collect(course)
        finally:
            course.stop()
            prefetch.stop()

    def describe(self) -> Json:
        """Return the batch sizes used."""
        return {"batch": None if self._backend.streams else self.size.to_json()}

    def close(self) -> None:
        """Let the threads end."""
        self.pool.close()

    def _collect(self, course: Course) -> Iterator[list[Response]]:
        waiting: dict[str, Request] = {}
        course.start()
        while True:
            try:
                # No more than a batch, which is what may be lost with the process.
                events = course.hear(self._timeout, min(UNREAD, self.size.current))
            except queue.Empty:
                if not waiting or not course.abandon():
                    continue  # the model waits for data, or has just answered
                yield from self._hung(waiting)
                waiting.clear()
                course.start()
                continue
            responses: list[Response] = []
            for event in events:
                if isinstance(event, BaseException) or (isinstance(event, Ended) and event.final):
                    if responses:
                        yield responses
                    if isinstance(event, BaseException):
                        raise event
                    return
                responses += self._heard(event, waiting)
            if responses:
                yield responses

    def _heard(self, event: Event, waiting: dict[str, Request]) -> list[Response]:
        """Return the responses that an event brings; note what is waited for."""
        if isinstance(event, Began):
            waiting.update((item.request.sample_id, item.request) for item in event.items)
            return []
        if isinstance(event, Ended):
            for sample_id in event.back:
                del waiting[sample_id]
            failure = event.failure or Failure(
                "generate", "NoResponse", "the model gave no response to this request"
            )
            left = [Response(sample_id, failure=failure) for sample_id in waiting]
            waiting.clear()
            return left
        self._hangs = 0
        request = waiting.pop(event.sample_id, None)
        if request is not None:
            return [_checked(event, request)]
        self._say(
            f"the model gave an answer that nothing asked for, to {event.sample_id!r}: "
            "not a sample of its batch, or answered before"
        )
        return []

    def _hung(self, waiting: Iterable[str]) -> Iterator[list[Response]]:
        self._hangs += 1
        limit = f"within {self._timeout:g} s (--timeout)"
        yield [_failed(sample_id, "TimeoutError", f"no answer {limit}") for sample_id in waiting]
        if self._hangs >= MAX_HANGS:
            raise RunError(
                f"the model did not answer {MAX_HANGS} batches in a row {limit}; "
                "the run stops here, and everything finished is kept"
            )


def _all(requests: Iterable[Request | None]) -> Iterator[Request]:
    return (request for request in requests if request is not None)


def _failed(sample_id: str, kind: str, message: str) -> Response:
    return Response(sample_id, failure=Failure("generate", kind, message))


def _checked(response: Response, request: Request) -> Response:
    """Turn a response that is not what was asked for into a failure."""
    if response.failure is not None:
        return response
    output = response.output
    if output is None:
        return _failed(request.sample_id, "NoOutput", "the model returned neither output nor error")
    # What plug-ins return is not type-checked: anything but a part is a wrong modality too.
    if not isinstance(output, Text | Media) or output.modality != request.want:
        got = getattr(output, "modality", type(output).__name__)
        return _failed(request.sample_id, "WrongModality", f"asked for {request.want}, got {got}")
    if isinstance(output, Text) and not isinstance(output.text, str):
        got = type(output.text).__name__
        return _failed(request.sample_id, "WrongModality", f"asked for text, got Text({got})")
    return response

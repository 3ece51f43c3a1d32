"""The thread that is inside the model: batch after batch, or one stream. It may hang."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import MioEvalError
from ..models.base import Backend, describe
from ..types import Failure, Request, Response
from .batching import BatchSize, cost_of, free_memory, is_out_of_memory
from .likelihood import respond
from .meter import Meter
from .prefetch import Prefetch, Prepared

UNREAD = 64  # responses the worker may be ahead of the journal


@dataclass(slots=True)
class Began:
    """The model was given these."""

    items: list[Prepared]


@dataclass(slots=True)
class Ended:
    """The model is done with what it was given; `back` will be given again."""

    failure: Failure | None = None
    back: tuple[str, ...] = ()
    final: bool = False


Event: TypeAlias = Began | Ended | Response


class Course:
    """One pass of a backend over the requests of a `Prefetch`, in a thread that may be lost."""

    def __init__(self, backend: Backend, prefetch: Prefetch, size: BatchSize, meter: Meter) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._backend = backend
        self._prefetch = prefetch
        self._size = size
        self._meter = meter
        self._lock = threading.Lock()
        self._current: Turn | None = None

    def hear(self, timeout: float, most: int) -> list[Any]:
        """Return what the worker reported and is not read: one event at least, at most `most`.

        What was returned before counts as journalled from now on. Raises queue.Empty when there is
        nothing within `timeout` seconds.
        """
        turn = self._current
        if turn is not None and self.events.qsize() <= turn.low:
            turn.room.set()
        heard = [self.events.get(timeout=timeout)]
        with suppress(queue.Empty):
            while len(heard) < most:
                heard.append(self.events.get_nowait())
        return heard

    def start(self) -> None:
        """Let a new thread go on with the requests."""
        turn = self._current = Turn(self)
        name = "mio-eval-model"
        threading.Thread(target=turn.serve, name=name, daemon=True).start()

    def abandon(self) -> bool:
        """Give up the thread, unless it has just said something."""
        with self._lock:
            if not self.events.empty() or self._current is None:
                return False
            self._current.give_up()
            if self._current.inside:
                self._meter.leave(self._current.inside)
                self._current.inside = 0
            self._prefetch.release(self._current.held)
            return True

    def stop(self) -> None:
        """Give the model nothing more."""
        with self._lock:
            if self._current is not None:
                self._current.give_up()


class Turn:
    """What one thread does: batch after batch, or one stream, until it is lost or all is done."""

    def __init__(self, course: Course) -> None:
        self.lost = False
        self.held: list[Prepared] = []
        self.inside = 0
        self.room = threading.Event()
        self.low = -1
        """Unread reports at which a thread that waits goes on; -1 while it does not wait."""
        self._course = course

    def give_up(self) -> None:
        """The thread is lost: what it still says is not heard."""
        self.lost = True
        self.room.set()

    def serve(self) -> None:
        course = self._course
        step = self._stream if course._backend.streams else self._batch
        try:
            while step():
                pass
        # Errors of the run itself, and of reading: raised again in the caller's thread.
        except BaseException as error:
            self._tell(error)

    def _tell(self, event: object) -> bool:
        """Report something, unless the thread was given up meanwhile."""
        with self._course._lock:
            if not self.lost:
                self._course.events.put(event)
            return not self.lost

    def _begin(self, items: list[Prepared]) -> bool:
        """Hand requests to the model; those not prepared are failed instead."""
        course = self._course
        with course._lock:
            if self.lost:
                course._prefetch.put_back(items)
                return False
            course.events.put(Began(items))
            for item in items:
                if item.failure is not None:
                    course.events.put(Response(item.request.sample_id, failure=item.failure))
            self.held += items
            return True

    def _take(self, count: int) -> list[Prepared]:
        with self._course._meter.timed("waiting"):
            return self._course._prefetch.take(count)

    def _put(self, response: object) -> bool:
        """Report a response; waits while the reader of responses is far behind."""
        if not isinstance(response, Response):
            raise TypeError(f"the model yielded no Response: {type(response).__name__}")
        self._wait_for_reader(UNREAD)
        return self._tell(response)

    def _wait_for_reader(self, unread: int) -> None:
        """Wait, if more than `unread` reports are unread, until only half of them are."""
        events = self._course.events
        if events.qsize() <= unread:
            return
        self.room.clear()
        self.low = unread // 2
        # Looked at again, as all may have been read before it was known that someone waits.
        if events.qsize() > self.low and not self.lost:
            self.room.wait()
        self.low = -1

    def _batch(self) -> bool:
        """Answer one batch; tell whether there may be more."""
        course, size = self._course, self._course._size
        items = self._take(size.current)
        if not items:
            self._tell(Ended(final=True))
            return False
        # Less than a batch is ahead of the journal: what a full disk or a kill can cost.
        self._wait_for_reader(min(UNREAD, size.current - 1))
        if not self._begin(items):
            return False
        good = {item.request.sample_id: item for item in items if item.failure is None}
        failure, large = self._generate(good) if good else (None, False)
        back: list[Prepared] = []
        if large and len(items) > 1:
            back = list(good.values())
            failure = None
        with course._lock:
            if self.lost:
                return False
            course._prefetch.release([item for item in items if item not in back])
            self.held.clear()
            course._prefetch.put_back(back)
            if large:
                size.too_large(len(items))
            course.events.put(Ended(failure, tuple(item.request.sample_id for item in back)))
        return True

    def _generate(self, good: dict[str, Prepared]) -> tuple[Failure | None, bool]:
        """Run the model on a batch, taking what is answered out of `good`.

        Returns why the rest failed, and whether that was for want of memory.
        """
        course = self._course
        requests = [item.request for item in good.values()]
        self._enter()
        start = time.perf_counter()
        try:
            for response in respond(course._backend, requests):
                if not self._put(response):
                    return None, False
                good.pop(response.sample_id, None)
        except MioEvalError:
            raise
        # The boundary of a batch: what the backend raises (a library's exit() too) fails the
        # samples it left open; an exception that ended the thread would look like a hang.
        except BaseException as error:
            large = is_out_of_memory(error)
            failure = describe(error)
            error.__traceback__ = None  # its frames hold the batch's tensors
            del error
            if large:
                free_memory()
            return failure, large
        finally:
            self._leave()
        seconds = time.perf_counter() - start
        if course._size.learns:
            cost = sum(cost_of(request, course._backend.cost) for request in requests)
        else:
            cost = 0.0
        course._size.done(len(requests), cost, seconds)
        return None, False

    def _stream(self) -> bool:
        """Let a streaming backend take requests as it likes; tell whether there may be more."""
        course = self._course
        open_: dict[str, Prepared] = {}
        state = {"ended": False, "given": 0}

        def feed() -> Iterator[Request]:
            while not self.lost:
                items = self._take(1)
                if not items:
                    state["ended"] = True
                    return
                (item,) = items
                if not self._begin(items):
                    return
                state["given"] += 1
                if item.failure is None:
                    open_[item.request.sample_id] = item
                    self._enter()
                    yield item.request

        failure = None
        try:
            for response in respond(course._backend, feed()):
                if not self._put(response):
                    return False
                if (item := open_.pop(response.sample_id, None)) is not None:
                    self._leave()
                    self._finished(item)
        except MioEvalError:
            raise
        # The boundary of a stream: what was given and not answered has failed, the rest goes on.
        except BaseException as error:
            failure = describe(error)
        for _ in range(len(open_)):
            self._leave()
        if not state["given"] and not state["ended"] and not self._skip():
            state["ended"] = True
        with course._lock:
            if self.lost:
                return False
            course._prefetch.release(self.held)
            self.held.clear()
            course.events.put(Ended(failure, final=False))
            if state["ended"]:
                course.events.put(Ended(final=True))
        return not state["ended"]

    def _skip(self) -> bool:
        """Fail one request of a backend that takes none, so that the run comes to an end."""
        items = self._take(1)
        return bool(items) and self._begin(items)

    def _finished(self, item: Prepared) -> None:
        self._course._prefetch.release([item])
        with self._course._lock:
            if not self.lost:
                self.held.remove(item)

    def _enter(self) -> None:
        with self._course._lock:
            if not self.lost:
                self.inside += 1
                self._course._meter.enter()

    def _leave(self) -> None:
        with self._course._lock:
            if not self.lost and self.inside:
                self.inside -= 1
                self._course._meter.leave()

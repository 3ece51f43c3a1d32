"""An event loop in a thread of its own, and a feed of coroutines whose results come as they may."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from ...errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")
_WATCH = 1.0  # seconds between two looks at whether the loop still lives
_CLOSE = 5.0  # seconds that what is under way gets to notice that it is cancelled


class LoopThread:
    """Runs coroutines for threads that know nothing of them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mio-eval-openai", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    @property
    def alive(self) -> bool:
        """False once the loop has ended."""
        return self._thread.is_alive()

    def start(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin a coroutine. Raises RunError when the loop has ended."""
        if not self.alive or self._loop.is_closed():
            work.close()
            raise RunError("the client of the model's server is closed; run the command again")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
        """Wait for a coroutine. Raises TimeoutError, or what it raises."""
        future = self.start(work)
        try:
            return future.result(timeout=seconds)
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel everything under way, do one `last` thing, end the thread; within some seconds."""
        if not self.alive:
            return
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._end(last)))
        self._thread.join(timeout=_CLOSE * 3)

    async def _end(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_CLOSE)
        try:
            if last is not None:
                await asyncio.wait_for(last(), _CLOSE)
        finally:
            self._loop.stop()


class _End:
    """The feed is exhausted, or broke: with what, and after how many."""

    def __init__(self, count: int, error: BaseException | None) -> None:
        self.count = count
        self.error = error


class Feed(Generic[Item, Result]):
    """Keeps up to `most` items of an iterable under way, and yields results as they come.

    The iterable is read in a thread of its own: it may wait for results that were yielded.
    """

    def __init__(
        self, loop: LoopThread, work: Callable[[Item], Coroutine[Any, Any, Result]], most: int
    ) -> None:
        self._loop = loop
        self._work = work
        self._room = threading.Semaphore(most)
        self._results: queue.SimpleQueue[Future[Result] | _End] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._under_way: set[Future[Result]] = set()

    def run(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield one result an item. What the work or the iterable raises ends it, after the
        results that were ready; the rest is cancelled."""
        threading.Thread(
            target=self._read, args=(items,), name="mio-eval-openai-feed", daemon=True
        ).start()
        try:
            yield from self._collect()
        finally:
            self._stopped.set()
            self._room.release()
            with self._lock:
                left = list(self._under_way)
            for future in left:
                future.cancel()

    def _collect(self) -> Iterator[Result]:
        done, expected = 0, None
        error: BaseException | None = None
        while expected is None or done < expected:
            item = self._next(wait=error is None)
            if item is None:
                break  # an error, and nothing more is ready
            if isinstance(item, _End):
                expected, error = item.count, error or item.error
                continue
            done += 1
            problem = item.exception()
            if problem is not None:
                error = error or problem
                continue
            self._room.release()
            yield item.result()
        if error is not None:
            raise error

    def _next(self, wait: bool) -> Future[Result] | _End | None:
        while True:
            try:
                return self._results.get(timeout=_WATCH) if wait else self._results.get_nowait()
            except queue.Empty:
                if not wait:
                    return None
                if not self._loop.alive:
                    raise RunError(
                        "the client of the model's server was closed while requests were under "
                        "way; everything finished is kept, run the same command again"
                    ) from None

    def _read(self, items: Iterable[Item]) -> None:
        count = 0
        try:
            iterator = iter(items)
            while True:
                self._room.acquire()
                if self._stopped.is_set():
                    return
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                future = self._loop.start(self._work(item))
                count += 1
                with self._lock:
                    self._under_way.add(future)
                future.add_done_callback(self._deliver)
                if self._stopped.is_set():  # meanwhile: nobody else would cancel this one
                    future.cancel()
                    return
        # Whatever the iterable raises belongs to whoever reads the results.
        except BaseException as error:
            self._results.put(_End(count, error))
        else:
            self._results.put(_End(count, None))

    def _deliver(self, future: Future[Result]) -> None:
        with self._lock:
            self._under_way.discard(future)
        if not future.cancelled():
            self._results.put(future)

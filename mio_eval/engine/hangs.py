"""Time limits for models that lm-eval asks: a hang fails what was asked, as in generation."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from ..errors import RunError
from ..models.loglikelihood import (
    LoglikelihoodRequest,
    LoglikelihoodResponse,
    SupportsLoglikelihood,
)
from ..types import Failure
from .execute import MAX_HANGS

T = TypeVar("T")
_END = object()


class HungError(Exception):
    """Nothing came within the time limit."""


def within(timeout: float, produce: Callable[[], Iterable[T]]) -> Iterator[T]:
    """Yield what `produce()` gives, from a thread that is given up after `timeout` idle seconds.

    Raises HungError then, and whatever `produce` raises.
    """
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lost = threading.Event()

    def work() -> None:
        try:
            for item in produce():
                if lost.is_set():
                    return
                found.put((item, None))
        # Raised again in the caller's thread; an error that ended this one would look like a hang.
        except BaseException as error:
            found.put((_END, error))
        else:
            found.put((_END, None))

    threading.Thread(target=work, name="mio-eval-model", daemon=True).start()
    try:
        while True:
            try:
                item, error = found.get(timeout=timeout)
            except queue.Empty:
                raise HungError(f"no answer within {timeout:g} s (--timeout)") from None
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        lost.set()


class Watched:
    """A model that scores text, within a time limit.

    What a hanging batch left open has failed with TimeoutError. Raises RunError when the model
    hangs for good: `MAX_HANGS` batches in a row without any answer in time.

    Args:
        backend: the model.
        timeout: seconds without any response.
    """

    def __init__(self, backend: SupportsLoglikelihood, timeout: float) -> None:
        self._backend = backend
        self._timeout = timeout
        self._hangs = 0

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Answer requests in the order given, each once."""
        done = 0
        try:
            for response in within(self._timeout, lambda: self._backend.loglikelihood(requests)):
                self._hangs = 0
                done += 1
                yield response
        except HungError as error:
            self._hangs += 1
            if self._hangs >= MAX_HANGS:
                raise RunError(
                    f"the model did not answer {MAX_HANGS} batches in a row within "
                    f"{self._timeout:g} s (--timeout); the run stops here, and everything finished "
                    "is kept"
                ) from error
            failure = Failure("generate", "TimeoutError", str(error))
            for _ in requests[done:]:
                yield LoglikelihoodResponse(failure=failure)

"""Runs a backend on batches in a worker thread, so that a hanging model cannot hang the run."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import MioEvalError, RunError
from ..models.base import Backend, describe
from ..types import Failure, Media, Request, Response, Text

MAX_HANGS = 3  # batches in a row without an answer in time, after which the run is given up
_END = object()


@dataclass(slots=True)
class _Batch:
    requests: Sequence[Request]
    results: queue.SimpleQueue[Any]


class Executor:
    """Answers batches with one backend. Every request gets exactly one response.

    Args:
        backend: the model.
        timeout: seconds without any response after which the rest of a batch has failed.
        say: takes lines worth showing.
    """

    def __init__(
        self, backend: Backend, timeout: float, say: Callable[[str], None] = lambda text: None
    ) -> None:
        self._backend = backend
        self._timeout = timeout
        self._say = say
        self._hangs = 0
        self._names = itertools.count(1)
        self._work: queue.SimpleQueue[_Batch | None] | None = None

    def run(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Yield one response a request, as they come.

        A request the backend did not answer, or answered with another modality than asked, comes
        back as a failure. Of two answers to one request the first counts, as it is journalled at
        once; that, and an answer to no request, is said. Raises RunError when the backend hangs
        for good.
        """
        waiting = {request.sample_id: request for request in requests}
        batch = _Batch(requests, queue.SimpleQueue())
        self._worker().put(batch)
        while True:
            try:
                item = batch.results.get(timeout=self._timeout)
            except queue.Empty:
                self._work = None  # the thread is lost; a new one takes the next batch
                self._hangs += 1
                limit = f"within {self._timeout:g} s (--timeout)"
                for sample_id in waiting:
                    yield _failed(sample_id, "TimeoutError", f"no answer {limit}")
                if self._hangs >= MAX_HANGS:
                    raise RunError(
                        f"the model did not answer {MAX_HANGS} batches in a row {limit}; "
                        "the run stops here, and everything finished is kept"
                    ) from None
                return
            if item is _END:
                break
            if isinstance(item, MioEvalError):
                raise item
            self._hangs = 0
            if isinstance(item, Failure):
                for sample_id in waiting:
                    yield Response(sample_id, failure=item)
                return
            request = waiting.pop(item.sample_id, None)
            if request is None:
                self._say(
                    f"the model gave an answer that nothing asked for, to {item.sample_id!r}: "
                    "not a sample of its batch, or answered before"
                )
                continue
            yield _checked(item, request)
        for sample_id in waiting:
            yield _failed(sample_id, "NoResponse", "the model gave no response to this request")

    def close(self) -> None:
        """Let the worker thread end."""
        if self._work is not None:
            self._work.put(None)
            self._work = None

    def _worker(self) -> queue.SimpleQueue[_Batch | None]:
        if self._work is None:
            self._work = queue.SimpleQueue()
            name = f"mio-eval-model-{next(self._names)}"
            threading.Thread(target=self._serve, args=(self._work,), name=name, daemon=True).start()
        return self._work

    def _serve(self, work: queue.SimpleQueue[_Batch | None]) -> None:
        while (batch := work.get()) is not None:
            put = batch.results.put
            try:
                for response in self._backend.generate(batch.requests):
                    if not isinstance(response, Response):
                        raise TypeError(f"the model yielded no Response: {type(response).__name__}")
                    put(response)
            except MioEvalError as error:
                put(error)
            # The boundary of a batch: what the backend raises (a library's exit() too) fails the
            # samples it left open; an exception that ended the thread would look like a hang.
            except BaseException as error:
                put(describe(error))
            else:
                put(_END)


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

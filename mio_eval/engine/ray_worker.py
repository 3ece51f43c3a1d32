"""One worker of the Ray engine: a backend with its own threads, asked by `exchange`."""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import MioEvalError, UsageError
from ..jsonio import digest, dumps
from ..models import create_model
from ..models.base import Backend
from ..types import Json, Modality, Request
from .batching import BatchSize
from .determinism import make_deterministic
from .execute import Executor
from .wire import NotHereError, pack_response, unpack_request


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker needs to know, as plain values."""

    model: str
    model_args: dict[str, str]
    path: tuple[str, ...]
    """The driver's module search path: a user's own backend is found as there."""
    allow_partial: bool
    deterministic: bool
    seed: int
    timeout: float
    batch_size: int
    auto: bool
    threads: int | None
    prefetch_bytes: int


@dataclass(slots=True)
class _Outbox:
    ready: threading.Condition = field(default_factory=threading.Condition)
    responses: list[Json] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    error: Json = None
    """Kind and text of the error that ended the worker's run."""


class Worker:
    """Answers what `exchange` brings. Its methods return plain data and raise nothing on purpose.

    Made by Ray with two threads, so that `exchange` can wait while nothing else does.
    """

    def __init__(self, setup: Json) -> None:
        self._setup = Setup(**setup)
        self._executor: Executor | None = None
        self._backend: Backend | None = None
        self._out = _Outbox()
        self._inbox: queue.SimpleQueue[list[Request] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._size = BatchSize(self._setup.batch_size, self._setup.auto)

    def load(self, inputs: Sequence[Modality], output: Modality, identity: Json = None) -> Json:
        """Make the backend, load what a task needs, be ready. Returns an error, or None.

        Its answers are kept under the `identity` of the run's own model, so this one must be the
        same: a folder, a package or what a hub's branch names may be another here.
        """
        self._end()
        try:
            executor = self._make()
            assert self._backend is not None
            here = self._backend.identity().to_json()
            if identity is not None and digest(here) != digest(identity):
                raise UsageError(_other_model(identity, here))
            executor.load(inputs, output)
            if self._setup.deterministic:
                make_deterministic(self._setup.seed)  # torch has come in meanwhile
        # Whatever loading raises is reported; the run's own process decides.
        except Exception as error:
            return _describe(error)
        self._out = _Outbox()
        self._inbox = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._serve, args=(executor, self._out, self._inbox), daemon=True
        )
        self._thread.start()
        return None

    def exchange(self, batches: Sequence[Sequence[Json]], wait: float) -> Json:
        """Take requests, return responses: what is there, or what comes within `wait` seconds."""
        missing = []
        for packed in batches:
            batch = []
            for data in packed:
                try:
                    batch.append(unpack_request(data))
                except NotHereError:
                    missing.append(data["sample_id"])
            if batch:
                self._inbox.put(batch)
        out, executor = self._out, self._executor
        assert executor is not None
        end = time.monotonic() + (0 if missing else wait)
        with out.ready:
            while not (out.responses or out.error):
                left = end - time.monotonic()
                if left <= 0:
                    break
                out.ready.wait(left)
            responses, out.responses = out.responses, []
            said, out.said = out.said, []
            return {
                "responses": responses,
                "missing": missing,
                "said": said,
                "error": None if responses else out.error,
                "busy": executor.meter.busy,
                "decode": executor.meter.decode,
                "size": self._size.current,
                "batch": self._size.to_json(),
            }

    def _make(self) -> Executor:
        if self._executor is not None:
            return self._executor
        setup = self._setup
        sys.path += [place for place in setup.path if place not in sys.path]
        if setup.deterministic:
            make_deterministic(setup.seed)
        backend = self._backend = create_model(setup.model, setup.model_args)
        backend.allow_partial = setup.allow_partial
        backend.deterministic = setup.deterministic
        backend.say = self._say
        self._executor = Executor(
            backend,
            setup.timeout,
            self._say,
            size=self._size,
            threads=setup.threads,
            limit_bytes=setup.prefetch_bytes,
            sort=False,
        )
        return self._executor

    def _say(self, text: str) -> None:
        with self._out.ready:
            self._out.said.append(text)

    def _serve(
        self, executor: Executor, out: _Outbox, inbox: queue.SimpleQueue[list[Request] | None]
    ) -> None:
        def requests() -> Iterator[Request | None]:
            while (batch := inbox.get()) is not None:
                yield from batch
                yield None  # the model need not wait for more

        error = None
        try:
            for responses in executor.run(requests()):
                packed = [pack_response(response) for response in responses]
                with out.ready:
                    out.responses += packed
                    out.ready.notify_all()
        # Reported with the next exchange.
        except Exception as raised:
            error = _describe(raised)
        with out.ready:
            out.error = error or {"kind": "end", "text": "the worker's run has ended"}
            out.ready.notify_all()

    def _end(self) -> None:
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join(30)
            self._thread = None


def _other_model(wanted: Json, here: Json) -> str:
    named = ", ".join(
        f"{name} {dumps(here.get(name))[:200]} instead of {dumps(value)[:200]}"
        for name, value in wanted.items()
        if digest(here.get(name)) != digest(value)
    )
    return (
        f"a worker on {socket.gethostname()} has another model than the run: {named}; "
        "give every node the same files and packages"
    )


def _describe(error: Exception) -> Json:
    if isinstance(error, MioEvalError):
        return {"kind": "mio_eval", "exit_code": error.exit_code, "text": str(error)}
    return {"kind": "other", "text": f"{type(error).__name__}: {error}"}

"""`--engine ray`: one copy of the model an actor, work handed out in small batches.

This process alone reads data, journals and caches. A worker holds at most two batches, so that
the next is decoded while one is answered, and a fast worker takes from the queue what a slow one
has not begun. What a dead worker left goes back to the queue.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import MioEvalError, RunError, UsageError
from ..models.base import Backend, describe
from ..types import Json, Modality, Request, Response
from .batching import DEFAULT, by_cost
from .execute import _checked, _failed, default_threads
from .meter import Meter
from .options import Options
from .prefetch import Pool, Prefetch
from .progress import Progress
from .ray_worker import Setup, Worker
from .wire import pack_request, unpack_response

INSTALL = "pip install 'mio-eval[ray]'"
MAX_TRIES = 3  # workers a request may lose before it has failed
MAX_DEATHS = 8  # workers lost in a row without any answer, after which the run is given up
_WAIT = 1.0  # seconds a worker waits for its next response before it reports that there is none
_SILENCE = 60.0  # seconds beyond --timeout after which a worker that does not report is killed
_IDLE = 0.01
_CONNECT = 10.0  # seconds to wait for a cluster's address to answer


@dataclass(slots=True, eq=False)
class _Actor:
    """A worker as this process sees it."""

    handle: Any
    number: int
    open: dict[str, Request] = field(default_factory=dict)
    """Requests it was given and has not answered."""
    call: Any = None
    """The exchange under way."""
    called: float = 0.0
    loading: bool = False
    ship: bool = False
    """It does not see this machine's files: media go by content."""
    size: int = 1
    busy: float = 0.0
    decode: float = 0.0
    batch: Json = None


class RayEngine:
    """Answers requests with workers in a Ray cluster. Every request gets exactly one response."""

    def __init__(self, options: Options, backend: Backend, progress: Progress) -> None:
        self._ray = _import_ray()
        if backend.by_sample:
            raise UsageError(
                f"model {options.model} only reads answers, so workers gain nothing; "
                "leave --engine ray out"
            )
        self.meter = Meter()
        self.pool = Pool(options.prefetch_threads or default_threads())
        self._options = options
        self._backend = backend
        self._progress = progress
        auto = options.batch_size == "auto"
        wish = 1 if auto else options.batch_size or backend.batch_size or DEFAULT
        assert isinstance(wish, int)
        self._setup = Setup(
            model=options.model,
            model_args=dict(options.model_args),
            path=tuple(os.path.abspath(place) for place in sys.path),  # noqa: PTH100
            allow_partial=options.allow_partial,
            deterministic=options.deterministic,
            seed=options.seed,
            timeout=options.timeout,
            batch_size=wish,
            auto=auto,
            threads=options.prefetch_threads,
            prefetch_bytes=options.prefetch_bytes,
        )
        self._actors: list[_Actor] = []
        self._wanted: tuple[Sequence[Modality], Modality, Json] | None = None
        self._deaths = 0
        self._replaced = 0
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, options.address)
        try:
            self._resources, self.workers = _layout(self._ray, options)
        except BaseException:
            self.close()
            raise

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Start the workers, and let each load what a task needs. Raises what loading raises."""
        self._wanted = (list(inputs), output, self._backend.identity().to_json())
        while len(self._actors) < self.workers:
            self._actors.append(self._start(len(self._actors)))
        for actor in self._actors:
            actor.call = actor.handle.load.remote(*self._wanted)
            actor.busy = actor.decode = 0.0
        for actor in self._actors:
            self._loaded(actor)

    def run(self, requests: Iterable[Request]) -> Generator[list[Response], None, None]:
        """Yield responses as they come, one a request; those that are there already together."""
        self.meter.reset()
        prefetch = Prefetch(
            by_cost(requests, self._backend.cost),
            None,
            self.pool,
            timeout=self._options.timeout,
            limit_count=4 * self.workers * self._setup.batch_size + 64,
        )
        try:
            yield from _Pass(self, prefetch).responses()
        finally:
            prefetch.stop()

    def describe(self) -> Json:
        """Return the workers, how many were replaced, and their batch sizes."""
        return {
            "workers": self.workers,
            "replaced": self._replaced,
            "batch": [actor.batch for actor in self._actors],
        }

    def close(self) -> None:
        """Stop the workers, and Ray where this run started it."""
        self.pool.close()
        if self._ray.is_initialized():
            for actor in self._actors:
                self._ray.kill(actor.handle)
            if self._own:
                self._ray.shutdown()
        self._actors.clear()

    def _start(self, number: int) -> _Actor:
        # Two threads: `exchange` waits in one while the other starts the next call.
        remote = self._ray.remote(max_concurrency=2, max_restarts=0, **self._resources)(Worker)
        size = self._setup.batch_size
        return _Actor(remote.remote(asdict(self._setup)), number, size=size)

    def _loaded(self, actor: _Actor) -> None:
        """Wait until a worker has loaded. Raises the error it reports."""
        call, actor.call, actor.loading = actor.call, None, False
        try:
            error = self._ray.get(call)
        except self._ray.exceptions.RayError as lost:
            raise RunError(
                f"worker {actor.number} ended while loading the model ({_first_line(lost)}); "
                "is there memory for so many copies? See Ray's logs, or give fewer --workers"
            ) from lost
        if error is not None:
            raise _error(error)

    def replace(self, actor: _Actor) -> None:
        """Put a new worker in the place of a dead one. Raises RunError after many in a row."""
        self._deaths += 1
        self._replaced += 1
        if self._deaths >= MAX_DEATHS:
            raise RunError(
                f"{MAX_DEATHS} workers in a row ended without an answer; see Ray's logs "
                "(/tmp/ray/session_latest/logs). Everything finished is kept"
            )
        self._ray.kill(actor.handle)
        self._progress.message(f"worker {actor.number} ended; starting another")
        self._progress.event("worker_replaced", worker=actor.number, unfinished=len(actor.open))
        fresh = self._start(actor.number)
        assert self._wanted is not None
        actor.handle, actor.busy, actor.decode = fresh.handle, 0.0, 0.0
        actor.call, actor.loading = fresh.handle.load.remote(*self._wanted), True

    def answered(self) -> None:
        """A worker gave an answer: those that end are not all there is."""
        self._deaths = 0


class _Pass:
    """One task's requests on their way through the workers."""

    def __init__(self, engine: RayEngine, prefetch: Prefetch) -> None:
        self._engine = engine
        self._ray = engine._ray
        self._prefetch = prefetch
        self._back: deque[Request] = deque()
        """Requests of dead workers: asked again one at a time, as one of them may be the cause."""
        self._tries: dict[str, int] = {}
        self._more = True
        self._left: int | None = None

    def responses(self) -> Iterator[list[Response]]:
        actors = self._engine._actors
        while True:
            for actor in actors:
                if actor.call is None:
                    yield from self._hand_out(actor)
            calls = {actor.call: actor for actor in actors if actor.call is not None}
            if not calls:
                if not (self._more or self._back):
                    return
                time.sleep(_IDLE)  # data are being read
                continue
            ready, _ = self._ray.wait(list(calls), num_returns=1, timeout=_WAIT)
            for call in ready:
                yield from self._collect(calls[call])
            if not ready:
                yield from self._silent(calls.values())

    def _hand_out(self, actor: _Actor) -> Iterator[list[Response]]:
        """Give a worker its next requests, and ask for what it has."""
        batches = []
        while requests := self._next(actor):
            packed = []
            for request in requests:
                try:
                    packed.append(pack_request(request, actor.ship))
                # Reading a medium is the data's fault, not the run's.
                except Exception as error:
                    yield [Response(request.sample_id, failure=describe(error))]
                    continue
                actor.open[request.sample_id] = request
            batches.append(packed)
        if actor.open:
            actor.call = actor.handle.exchange.remote(batches, _WAIT)
            actor.called = time.monotonic()

    def _next(self, actor: _Actor) -> list[Request]:
        if self._back:
            return [] if actor.open else [self._back.popleft()]
        if not self._more or len(actor.open) > actor.size:
            return []
        count = actor.size
        if self._left is not None and not self._engine._setup.deterministic:
            # Near the end smaller pieces, so that all workers finish together.
            count = max(1, min(count, -(-self._left // (2 * self._engine.workers))))
        items, self._left = self._prefetch.poll(count)
        self._more = self._left != 0
        return [item.request for item in items]

    def _collect(self, actor: _Actor) -> Iterator[list[Response]]:
        if actor.loading:
            self._engine._loaded(actor)
            return
        call, actor.call = actor.call, None
        try:
            found = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            yield from self._died(actor, error)
            return
        meter = self._engine.meter
        meter.add_busy(max(0.0, found["busy"] - actor.busy))
        meter.add("decode", max(0.0, found["decode"] - actor.decode))
        actor.busy, actor.decode, actor.batch = found["busy"], found["decode"], found["batch"]
        actor.size = found["size"]
        for line in found["said"]:
            self._engine._progress.message(line)
        if found["missing"]:
            actor.ship = True
            # extendleft would turn the order round.
            for name in reversed(found["missing"]):
                self._back.appendleft(actor.open.pop(name))
        responses = []
        for data in found["responses"]:
            request = actor.open.pop(data["sample_id"], None)
            if request is not None:
                self._engine.answered()
                responses.append(_checked(unpack_response(data), request))
        if responses:
            yield responses
        if found["error"] is not None:
            raise _error(found["error"])

    def _silent(self, actors: Iterable[_Actor]) -> Iterator[list[Response]]:
        """Give up workers that report nothing at all: their process hangs."""
        limit = self._engine._options.timeout + _SILENCE
        for actor in list(actors):
            if not actor.loading and time.monotonic() - actor.called > limit:
                self._ray.kill(actor.handle)
                yield from self._died(actor, TimeoutError(f"no report within {limit:g} s"))

    def _died(self, actor: _Actor, error: Exception) -> Iterator[list[Response]]:
        lost = list(actor.open.values())
        self._engine.replace(actor)
        actor.open.clear()
        for request in lost:
            tries = self._tries[request.sample_id] = self._tries.get(request.sample_id, 0) + 1
            if tries < MAX_TRIES:
                self._back.append(request)
                continue
            message = f"the worker died {tries} times over this request ({_first_line(error)})"
            yield [_failed(request.sample_id, "WorkerDied", message)]


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"--engine ray needs Ray: {INSTALL}") from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address is not None:
            _knock(address)
        if address is None:
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    # Which error Ray raises for an address without a cluster depends on the address.
    except Exception as error:
        where = f"--address {address}" if address is not None else "--engine ray"
        raise UsageError(
            f"{where}: {_first_line(error)}; start a cluster with: ray start --head (a newer Ray's "
            "wants RAY_AUTH_MODE=token here, and its token in ~/.ray/auth_token), or leave "
            "--address out for workers on this machine"
        ) from error


def _knock(address: str) -> None:
    """Raise OSError where nothing listens: Ray itself would go on trying for many minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT).close()


def _layout(ray: Any, options: Options) -> tuple[dict[str, float], int]:
    """Return what each worker takes of the cluster, and how many workers there are."""
    have = ray.cluster_resources()
    gpus, cpus = float(have.get("GPU", 0)), float(have.get("CPU", 0))
    share = options.gpus_per_worker
    if share is None:
        share = 1.0 if gpus else 0.0
    if share:
        room = int(gpus / share + 1e-9)
        workers = options.workers or room
        if workers > room or not room:
            raise UsageError(
                f"--workers {workers} with {share:g} GPUs each: the cluster has {gpus:g} GPUs, "
                f"room for {room}; give fewer, or a smaller --gpus-per-worker"
            )
    else:
        workers = options.workers or max(1, sum(node["Alive"] for node in ray.nodes()))
    # All of them must find a place, also on few cores; whole cores where there are enough.
    cores = 1.0 if cpus >= workers else int(1000 * cpus / workers) / 1000
    return {"num_cpus": cores, "num_gpus": share}, workers


def _error(data: Json) -> MioEvalError:
    if data["kind"] == "mio_eval" and data["exit_code"] == UsageError.exit_code:
        return UsageError(data["text"])
    return RunError(f"a worker: {data['text']}")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__

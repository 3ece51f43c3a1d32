"""The generate stage: samples become requests, requests become journalled responses."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

from ..errors import MioEvalError, RunError, UsageError
from ..jsonio import clean_text, digest, write_atomic
from ..media.decode import DecodeError
from ..models.base import Backend, describe
from ..tasks.registry import Task
from ..types import Failure, Json, Media, Request, Response, Sample, Text
from .cache import ResponseCache, link_or_copy
from .execute import Engine
from .idtable import ContentTable, IdTable
from .journal import Journal, is_ok, read_journal, repair_into
from .plan import TaskPlan
from .prefetch import mapped_ahead
from .progress import Progress
from .requests import build_request, check_media, part_json, sample_content
from .rundir import SAMPLES, RunDirectory

# Extensions that outputs may bear; the model's own file name is never used.
_EXTENSIONS = {
    "image": (".png", ".jpg", ".webp"),
    "audio": (".wav", ".flac", ".mp3", ".ogg"),
    "video": (".mp4", ".webm"),
}
_MESSAGE_LIMIT = 500  # characters kept of a failure's message


_TELL_SECONDS = 2.0  # between two reports of how busy the model is


@dataclass(slots=True)
class Generation:
    """Counts of a generate stage."""

    expected: int = 0
    failed: int = 0
    cached: int = 0
    kept: int = 0
    """Samples finished by an earlier start of the same run."""
    timings: dict[str, Json] = field(default_factory=dict)
    """What run.json records of the stage (docs/run_directory.md)."""


@dataclass(slots=True)
class Generator:
    """Runs the generate stage of tasks for one run.

    The engine's reading thread runs `_requests`, the caller's thread takes the responses; what
    both touch is under a lock.
    """

    run: RunDirectory
    backend: Backend
    cache: ResponseCache | None
    progress: Progress
    engine: Engine
    deterministic: bool = False
    _model_key: str = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _told: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._model_key = model_key(self.backend, self.deterministic)

    def __call__(self, plan: TaskPlan) -> Generation:
        """Answer every sample of a task that the journal does not hold yet."""
        path = self.run.task(plan.task.directory) / SAMPLES
        kept = ContentTable()
        repair_into(path, kept, self._is_finished)
        counts = Generation(kept=len(kept))
        total = plan.source.expected
        if plan.limit is not None:
            total = plan.limit if total is None else min(total, plan.limit)
        self.progress.start("generate", plan.task.name, total, len(kept))
        with Journal(path) as journal:
            stage = _Stage(plan, journal, counts, kept)
            responses = self.engine.run(self._requests(stage))
            try:
                for response in responses:
                    self._take(stage, response)
            finally:
                responses.close()
        if not kept.all_met:
            gone = next(
                r["id"] for r in read_journal(path) if r["id"] in kept and not kept.met(r["id"])
            )
            raise self._data_changed(plan, f"sample {gone!r} is no longer there")
        counts.timings = self._timings(counts)
        self.progress.finish()
        return counts

    def _requests(self, stage: _Stage) -> Iterator[Request]:
        """Yield what must be asked; journal what need not be. Runs in the reading thread."""
        plan = stage.plan

        def read(sample: Sample) -> _Pending | Json | None:
            number = stage.kept.find(sample.id)
            if number >= 0:
                self._check_same(plan, sample, stage.kept, number)
                return None
            return self._prepare(plan, sample)

        meter = self.engine.meter
        for outcome in mapped_ahead(
            self.engine.pool,
            read,
            _unique(plan.samples(), plan.task),
            took=lambda seconds: meter.add("read", seconds),
        ):
            stage.counts.expected += 1
            if outcome is None:
                continue
            record = outcome
            if isinstance(outcome, _Pending):
                with self._lock:
                    record = self._begin(stage, outcome)
                if record is None:
                    if outcome.request.sample_id in stage.pending:
                        yield outcome.request
                    continue
            self._record(stage, record)

    def _begin(self, stage: _Stage, pending: _Pending) -> Json | None:
        """Put a sample among those under way; or return its record, if the cache has it."""
        request = pending.request
        if (twins := stage.twins.get(request.key)) is not None:
            twins.append(pending)  # requests of equal content are sent once
            return None
        found = self._cached(pending)
        if found is None:
            stage.twins[request.key] = []
            stage.pending[request.sample_id] = pending
        return found

    def _take(self, stage: _Stage, response: Response) -> None:
        """Journal a response, and the same for samples of equal content."""
        with self._lock:
            pending = stage.pending.pop(response.sample_id)
        record = self._finish(pending.record, response)
        try:
            self._share(record)
        finally:  # a cache that cannot be written must not cost a finished response
            self._record(stage, record)
        with self._lock:
            twins = stage.twins.pop(pending.request.key)
        for twin in twins:
            copy = dict(twin.record)
            for name in ("status", "output", "error", "timing"):
                copy[name] = record[name]
            # One answer was paid for, not two.
            timing = {k: v for k, v in record["timing"].items() if k != "usage"}
            copy["timing"] = {**timing, "shared": True}
            copy |= {"details": record["details"]} if "details" in record else {}
            self._record(stage, copy)
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._told = time.monotonic()
            self.progress.event(
                "busy", share=round(self.engine.meter.share(self.engine.workers), 4)
            )

    def _timings(self, counts: Generation) -> dict[str, Json]:
        meter = self.engine.meter
        wall = time.perf_counter() - meter.started
        done = counts.expected - counts.kept
        return {
            "generate": wall,
            "busy": meter.busy,
            "busy_share": meter.share(self.engine.workers),
            "wait": meter.waiting,
            "decode": meter.decode,
            "read": meter.read,
            "samples_per_second": done / wall if wall > 0 else None,
            **self.engine.describe(),
        }

    def _is_finished(self, record: Json) -> bool:
        """Tell whether a journalled sample needs no new answer."""
        if not is_ok(record):
            return False
        output = record["output"]
        return "text" in output or (self.run.path / _media_path(output)).is_file()

    def _check_same(self, plan: TaskPlan, sample: Sample, kept: ContentTable, number: int) -> None:
        """Refuse to mix answers to data that changed since the run was started."""
        try:
            same = kept.same(number, sample_content(sample))
        except Exception as error:
            raise self._data_changed(plan, f"sample {sample.id!r}: {error}") from error
        if not same:
            raise self._data_changed(plan, f"sample {sample.id!r} differs")

    def _data_changed(self, plan: TaskPlan, what: str) -> RunError:
        return RunError(
            f"the data of {plan.task.name} changed since {self.run.path} was started: {what}. Put "
            "the data back, or move that folder away and run again (what is unchanged comes from "
            "the cache)"
        )

    def _prepare(self, plan: TaskPlan, sample: Sample) -> _Pending | Json:
        """Make a sample's request; or its record, when it cannot be asked."""
        record = _blank(sample)
        try:
            if self.backend.reads_media:
                check_media(sample)
            record["content"] = sample_content(sample)
            request = build_request(
                plan.task,
                sample,
                style=plan.style,
                separator=plan.separator,
                settings=plan.settings,
                seed=plan.seed,
                model_key=self._model_key,
                by_sample=self.backend.by_sample,
            )
        except MioEvalError:
            raise
        # The per-sample boundary of reading: a row's bytes come from a reader's own code.
        except Exception as error:
            stage = "decode" if isinstance(error, DecodeError) else "data"
            return _fail(record, Failure.of(stage, error))
        record["key"] = request.key
        record["prompt"] = [part_json(part) for part in request.parts]
        return _Pending(request, record)

    def _cached(self, pending: _Pending) -> Json | None:
        """Return the record of a sample whose response is in the cache."""
        found = self.cache.get(pending.request.key) if self.cache is not None else None
        if found is None:
            return None
        record = pending.record
        record.update(status="ok", output=self._from_cache(found["output"]))
        record["timing"] = {"seconds": found.get("seconds"), "cached": True}
        if "details" in found:
            record["details"] = found["details"]
        return record

    def _finish(self, record: Json, response: Response) -> Json:
        """Put a response into its sample's record, its media into the run directory."""
        record["timing"] = {"seconds": _number(response.seconds), "cached": False}
        if response.usage:
            record["timing"]["usage"] = _numbers(response.usage)
        if response.details:
            record["details"] = dict(response.details)
        if response.failure is not None:
            return _fail(record, response.failure)
        output = response.output
        if isinstance(output, Text):
            record.update(status="ok", output={"text": clean_text(output.text)})
        elif isinstance(output, Media):
            try:
                data = output.read()
            # The model's own code makes the bytes: what it raises fails this sample.
            except Exception as error:
                return _fail(record, describe(error))
            record.update(status="ok", output=self._keep_media(output, data))
        return record

    def _share(self, record: Json) -> None:
        """Put a finished response into the cache, for other runs."""
        if self.cache is not None and is_ok(record):
            output = self._to_cache(record["output"])
            entry = {"output": output, "seconds": record["timing"]["seconds"]}
            if "details" in record:
                entry["details"] = record["details"]
            self.cache.put(record["key"], entry)

    def _keep_media(self, output: Media, data: bytes) -> Json:
        sha256 = hashlib.sha256(data).hexdigest()
        allowed = _EXTENSIONS[output.modality]
        suffix = Path(output.name).suffix.lower()
        name = f"media/{sha256[:2]}/{sha256}{suffix if suffix in allowed else allowed[0]}"
        target = self.run.path / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, [data])
        return {output.modality: name, "sha256": sha256}

    def _to_cache(self, output: Json) -> Json:
        if self.cache is not None and "text" not in output:
            link_or_copy(
                self.run.path / _media_path(output), self.cache.folder / _media_path(output)
            )
        return output

    def _from_cache(self, output: Json) -> Json:
        if self.cache is not None and "text" not in output:
            link_or_copy(
                self.cache.folder / _media_path(output), self.run.path / _media_path(output)
            )
        return output

    def _record(self, stage: _Stage, record: Json) -> None:
        failed = record["status"] != "ok"
        cached = bool(record["timing"].get("cached"))
        with self._lock:
            stage.journal.append(record)
            stage.counts.failed += failed
            stage.counts.cached += cached
            self.progress.advance(failed=failed, cached=cached)
            if failed:
                name = stage.plan.task.name
                self.progress.event("failure", task=name, id=record["id"], **record["error"])


@dataclass(slots=True)
class _Pending:
    request: Request
    record: Json


@dataclass(slots=True)
class _Stage:
    """What one task's generate stage holds while it runs."""

    plan: TaskPlan
    journal: Journal
    counts: Generation
    kept: ContentTable
    pending: dict[str, _Pending] = field(default_factory=dict)
    """Sample id → what was asked and is not answered."""
    twins: dict[str, list[_Pending]] = field(default_factory=dict)
    """Content key under way → further samples of the same content."""


def model_key(backend: Backend, deterministic: bool) -> str:
    """Name the model for content keys. Answers given deterministically are kept apart."""
    identity = backend.identity().to_json()
    return digest({**identity, "deterministic": True} if deterministic else identity)


def _media_path(output: Json) -> str:
    path: str = next(output[modality] for modality in _EXTENSIONS if modality in output)
    return path


def _blank(sample: Sample) -> Json:
    """A sample's record before anything is known, with the contract's fields in their order."""
    return {
        "id": sample.id,
        "key": None,
        "status": "failed",
        "prompt": None,
        "output": None,
        "error": None,
        "timing": {},
        "references": list(sample.references),
        "cluster": sample.cluster or sample.id,
        "content": None,
        "meta": dict(sample.meta),
    }


def _fail(record: Json, failure: Failure) -> Json:
    message = clean_text(str(failure.message))[:_MESSAGE_LIMIT]
    error = {"stage": failure.stage, "type": failure.type, "message": message}
    record.update(status="failed", output=None, error=error)
    return record


def _number(value: object) -> float | int | None:
    """Return a number that JSON can hold, else None: timings come from the model's code."""
    if isinstance(value, int):
        return value
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def _numbers(usage: Mapping[str, object]) -> dict[str, float | int]:
    counts = {str(name): _number(value) for name, value in usage.items()}
    return {name: value for name, value in counts.items() if value is not None}


def _unique(samples: Iterable[Sample], task: Task) -> Iterator[Sample]:
    """Refuse data in which two samples bear one id: their scores could not be told apart."""
    seen = IdTable()
    for sample in samples:
        if not seen.add(sample.id):
            raise UsageError(
                f"task {task.name}: the data has id {sample.id!r} twice; "
                f"run mio-eval data check {task.name}"
            )
        yield sample

"""The generate stage: samples become requests, requests become journalled responses."""

from __future__ import annotations

import hashlib
import math
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
from .execute import Executor
from .journal import Journal, is_ok, repair_journal
from .plan import TaskPlan
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


@dataclass(slots=True)
class Generation:
    """Counts of a generate stage."""

    expected: int = 0
    failed: int = 0
    cached: int = 0
    kept: int = 0
    """Samples finished by an earlier start of the same run."""


@dataclass(slots=True)
class Generator:
    """Runs the generate stage of tasks for one run."""

    run: RunDirectory
    backend: Backend
    cache: ResponseCache | None
    progress: Progress
    batch_size: int
    timeout: float
    _model_key: str = field(init=False)
    _executor: Executor = field(init=False)

    def __post_init__(self) -> None:
        self._model_key = digest(self.backend.identity().to_json())
        self._executor = Executor(self.backend, self.timeout, self.progress.message)

    def close(self) -> None:
        """Stop the worker thread."""
        self._executor.close()

    def __call__(self, plan: TaskPlan) -> Generation:
        """Answer every sample of a task that the journal does not hold yet."""
        path = self.run.task(plan.task.directory) / SAMPLES
        finished = repair_journal(path, self._is_finished)
        counts = Generation(kept=len(finished))
        total = plan.source.expected
        if plan.limit is not None:
            total = plan.limit if total is None else min(total, plan.limit)
        self.progress.start("generate", plan.task.name, total, len(finished))
        with Journal(path) as journal:
            pending: dict[str, _Pending] = {}
            for sample in _unique(plan.samples(), plan.task):
                counts.expected += 1
                if sample.id in finished:
                    self._check_same(plan, sample, finished.pop(sample.id))
                    continue
                outcome = self._prepare(plan, sample)
                if isinstance(outcome, _Pending):
                    pending[sample.id] = outcome
                    if len(pending) >= self.batch_size:
                        self._answer(pending, journal, counts)
                        pending = {}
                    continue
                self._record(journal, outcome, counts)
            if pending:
                self._answer(pending, journal, counts)
        if finished:
            raise self._data_changed(plan, f"sample {next(iter(finished))!r} is no longer there")
        self.progress.finish()
        return counts

    def _is_finished(self, record: Json) -> bool:
        """Tell whether a journalled sample needs no new answer."""
        if not is_ok(record):
            return False
        output = record["output"]
        return "text" in output or (self.run.path / _media_path(output)).is_file()

    def _check_same(self, plan: TaskPlan, sample: Sample, content: Json) -> None:
        """Refuse to mix answers to data that changed since the run was started."""
        try:
            same = sample_content(sample) == content
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
        """Make a sample's request; or its record, when it is cached or cannot be asked."""
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
        found = self.cache.get(request.key) if self.cache is not None else None
        if found is None:
            return _Pending(request, record)
        record.update(status="ok", output=self._from_cache(found["output"]))
        record["timing"] = {"seconds": found.get("seconds"), "cached": True}
        return record

    def _answer(self, pending: dict[str, _Pending], journal: Journal, counts: Generation) -> None:
        """Send a batch; requests of equal content are sent once."""
        first: dict[str, str] = {}
        twins: dict[str, list[str]] = {}
        requests = []
        for sample_id, item in pending.items():
            leader = first.setdefault(item.request.key, sample_id)
            if leader == sample_id:
                requests.append(item.request)
            else:
                twins.setdefault(leader, []).append(sample_id)
        for response in self._executor.run(requests):
            record = self._finish(pending[response.sample_id].record, response)
            try:
                self._share(record)
            finally:  # a cache that cannot be written must not cost a finished response
                self._record(journal, record, counts)
            for twin in twins.get(response.sample_id, ()):
                copy = dict(pending[twin].record)
                for name in ("status", "output", "error", "timing"):
                    copy[name] = record[name]
                self._record(journal, copy, counts)

    def _finish(self, record: Json, response: Response) -> Json:
        """Put a response into its sample's record, its media into the run directory."""
        record["timing"] = {"seconds": _number(response.seconds), "cached": False}
        if response.usage:
            record["timing"]["usage"] = _numbers(response.usage)
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
            self.cache.put(
                record["key"], {"output": output, "seconds": record["timing"]["seconds"]}
            )

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

    def _record(self, journal: Journal, record: Json, counts: Generation) -> None:
        journal.append(record)
        failed = record["status"] != "ok"
        cached = bool(record["timing"].get("cached"))
        counts.failed += failed
        counts.cached += cached
        self.progress.advance(failed=failed, cached=cached)


@dataclass(slots=True)
class _Pending:
    request: Request
    record: Json


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
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise UsageError(
                f"task {task.name}: the data has id {sample.id!r} twice; "
                f"run mio-eval data check {task.name}"
            )
        seen.add(sample.id)
        yield sample

"""The generate stage: samples become requests, requests become journalled responses."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import MioEvalError, RunError, UsageError
from ..jsonio import digest, write_atomic
from ..media.decode import DecodeError
from ..models.base import Backend
from ..tasks.registry import Task
from ..types import Failure, Json, Media, Request, Response, Sample
from .cache import ResponseCache, link_or_copy
from .execute import Engine
from .idtable import ContentTable, IdTable
from .journal import Journal, is_ok, read_journal, repair_into
from .plan import TaskPlan
from .prefetch import mapped_ahead
from .progress import Progress
from .records import blank, fail, finish, for_cache, from_cache, media_path, shared
from .requests import build_request, check_media, part_json, sample_content
from .rundir import SAMPLES, RunDirectory

# Extensions that outputs may bear; the model's own file name is never used.
_EXTENSIONS = {
    "image": (".png", ".jpg", ".webp"),
    "audio": (".wav", ".flac", ".mp3", ".ogg"),
    "video": (".mp4", ".webm"),
}
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
            answers = self.engine.run(self._requests(stage))
            try:
                for responses in answers:
                    self._take(stage, responses)
            finally:
                answers.close()
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
        plan, kept, meter = stage.plan, stage.kept, self.engine.meter

        def read(item: tuple[Sample, int]) -> _Pending | Json | None:
            sample, number = item
            if number >= 0:
                self._check_same(plan, sample, kept, number)
                return None
            return self._prepare(plan, sample)

        for outcomes in mapped_ahead(
            self.engine.pool,
            read,
            _numbered(plan.samples(), kept, plan.task),
            took=lambda seconds: meter.add("read", seconds),
        ):
            stage.counts.expected += len(outcomes)
            new = [outcome for outcome in outcomes if outcome is not None]
            yield from self._begin(stage, new)

    def _begin(self, stage: _Stage, outcomes: Sequence[_Pending | Json]) -> list[Request]:
        """Put samples among those under way and return their requests.

        Journals those that cannot be asked, and those that the cache has.
        """
        if not outcomes:
            return []
        requests, records = [], []
        with self._lock:
            asked = {one.request.key for one in outcomes if isinstance(one, _Pending)}
            found = self.cache.get_all(asked - stage.twins.keys()) if self.cache is not None else {}
            for outcome in outcomes:
                if not isinstance(outcome, _Pending):
                    records.append(outcome)
                    continue
                request = outcome.request
                if (twins := stage.twins.get(request.key)) is not None:
                    twins.append(outcome)  # requests of equal content are sent once
                elif (entry := found.get(request.key)) is not None:
                    output = self._from_cache(entry["output"])
                    records.append(from_cache(outcome.record, entry, output))
                else:
                    stage.twins[request.key] = []
                    stage.pending[request.sample_id] = outcome
                    requests.append(request)
            self._record(stage, records)
        return requests

    def _take(self, stage: _Stage, responses: Sequence[Response]) -> None:
        """Journal responses, and the same for samples of equal content."""
        with self._lock:
            taken = [stage.pending.pop(response.sample_id) for response in responses]
        records: list[Json] = []
        try:
            for pending, response in zip(taken, responses, strict=True):
                records.append(finish(pending.record, response, self._keep_media))
            self._share(records)
        finally:  # a cache that cannot be written must not cost a finished response
            with self._lock:
                twins = [(r, twin) for r in records for twin in stage.twins.pop(r["key"])]
                self._record(stage, [*records, *(shared(r, twin.record) for r, twin in twins)])
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
        return "text" in output or (self.run.path / media_path(output)).is_file()

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
        record = blank(sample)
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
            return fail(record, Failure.of(stage, error))
        record["key"] = request.key
        record["prompt"] = [part_json(part) for part in request.parts]
        return _Pending(request, record)

    def _share(self, records: Iterable[Json]) -> None:
        """Put finished responses into the cache, for other runs."""
        if self.cache is None:
            return
        done = [record for record in records if is_ok(record)]
        for record in done:
            self._to_cache(record["output"])
        self.cache.put_all([(record["key"], for_cache(record)) for record in done])

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

    def _to_cache(self, output: Json) -> None:
        if self.cache is not None and "text" not in output:
            path = media_path(output)
            link_or_copy(self.run.path / path, self.cache.folder / path)

    def _from_cache(self, output: Json) -> Json:
        if self.cache is not None and "text" not in output:
            path = media_path(output)
            link_or_copy(self.cache.folder / path, self.run.path / path)
        return output

    def _record(self, stage: _Stage, records: Sequence[Json]) -> None:
        """Journal records and tell of them. The lock is held."""
        if not records:
            return
        stage.journal.append(*records)
        for record in records:
            failed = record["status"] != "ok"
            cached = bool(record["timing"].get("cached"))
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


def _numbered(
    samples: Iterable[Sample], kept: ContentTable, task: Task
) -> Iterator[tuple[Sample, int]]:
    """Yield each sample with its number among those kept, or -1.

    Refuses data in which two samples bear one id: their scores could not be told apart.
    """
    seen = IdTable()
    for sample in samples:
        number = kept.find(sample.id)
        if not (kept.meet(number) if number >= 0 else seen.add(sample.id)):
            raise UsageError(
                f"task {task.name}: the data has id {sample.id!r} twice; "
                f"run mio-eval data check {task.name}"
            )
        yield sample, number

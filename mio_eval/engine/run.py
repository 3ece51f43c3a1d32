"""Runs a plan: generate → annotate → score → report, resumable at every point."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ..data.lm_eval_tasks import READER
from ..errors import MioEvalError, RunError, UsageError
from ..stats import SEED
from ..types import Json
from .annotate import annotate_task
from .cache import ResponseCache
from .determinism import make_deterministic
from .engines import make_engine
from .environment import git_state, hardware, package_versions
from .generate import Generator
from .meter import peak_memory
from .options import Options, too_many_failures
from .overlap import Background
from .plan import Plan, TaskPlan, make_plan
from .progress import Progress, Silent
from .rundir import SCHEMA_VERSION, RunDirectory, runs_in
from .score import TaskScores, score_json, score_task, write_references, write_submission
from .text_harness import run_text_task
from .usage import run_usage

CACHE_FOLDER = ".cache"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to."""

    path: Path
    data: Json
    """run.json as written."""

    @property
    def scores(self) -> dict[str, dict[str, Json]]:
        """Task → metric → score."""
        results: dict[str, dict[str, Json]] = self.data["results"]
        return results

    @property
    def failed(self) -> bool:
        """True when more samples failed than --max-failures allows, or a score is missing."""
        return bool(self.data["status"] != "complete")


def evaluate(
    options: Options, progress: Progress | None = None, argv: Sequence[str] | None = None
) -> RunResult:
    """Run tasks with a model and score them; an unfinished run with the same plan is continued.

    Raises UsageError before anything is generated when the plan cannot work, RunError when the
    run cannot go on; whatever was finished is kept and found again.
    """
    progress = progress or Silent()
    plan = make_plan(options)
    try:
        data = _describe(plan, argv)
        run, fresh = _find_or_create(plan, progress)
        return _execute(plan, run, data, progress, started_before=not fresh)
    finally:
        plan.backend.close()


def resume(path: Path, overrides: dict[str, Json], progress: Progress | None = None) -> RunResult:
    """Continue the run in `path` with the options it was started with.

    `overrides` may change how it runs (batch size, timeout, …), not what it measures.
    """
    progress = progress or Silent()
    run = RunDirectory(path)
    data = run.read()
    recorded = dict(data["options"])
    for name in ("tasks", "metric_settings", "judges"):
        recorded[name] = tuple(recorded[name])
    options = Options(**{**recorded, **overrides, "out": str(path.parent)})
    plan = make_plan(options)
    try:
        if plan.identity != data["plan"]:
            raise UsageError(
                f"{path} cannot be continued: the model, a task file or the data options changed "
                "since it was started; start a new run (finished responses are found in the cache)"
            )
        run.lock()
        return _execute(plan, run, _describe(plan, None), progress, started_before=True)
    finally:
        plan.backend.close()


def _find_or_create(plan: Plan, progress: Progress) -> tuple[RunDirectory, bool]:
    """Continue the newest unfinished run of the same plan, else make a new one."""
    runs = Path(plan.options.out)
    for run in runs_in(runs):
        try:
            data = run.read()
        except UsageError:
            continue  # a run of another version; leave it alone
        if data["plan"] == plan.identity and data["status"] != "complete":
            run.lock()
            if run.read()["status"] == "complete":
                run.unlock()  # another process finished it meanwhile
                continue
            progress.message(f"continuing {run.path}")
            return run, False
    return RunDirectory.create(runs, plan.backend.identity().name), True


def _execute(
    plan: Plan,
    run: RunDirectory,
    data: Json,
    progress: Progress,
    *,
    started_before: bool,
) -> RunResult:
    try:
        if started_before:
            old = run.read()
            data["started"], data["command"] = old["started"], old["command"]
        run.write(data)
        names = [task.task.name for task in plan.tasks]
        progress.event("run_started", run=str(run.path), model=data["model"], tasks=names)
        _run_tasks(plan, run, data, progress)
        close_run(run, data)
        progress.event("finished", status=data["status"], reason=data["reason"])
        return RunResult(run.path, data)
    except (KeyboardInterrupt, MioEvalError, OSError) as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        _write_failed(run, data, reason)
        progress.event("finished", status="failed", reason=reason)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(run.path) from error
        if isinstance(error, OSError):
            raise RunError(
                f"{run.path}: {error.strerror or error}. Everything finished is kept; "
                f"go on with: mio-eval run --resume {run.path}"
            ) from error
        raise
    except Exception as error:
        _write_failed(run, data, f"internal error: {type(error).__name__}: {error}")
        raise
    finally:
        run.unlock()


class InterruptedRunError(RunError):
    """The user stopped the run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"stopped. Everything finished is kept; go on with: mio-eval run --resume {path}"
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class _Scored:
    """What the offline stages of a task found, and their seconds."""

    task: TaskPlan
    scores: TaskScores
    seconds: dict[str, float]


def _run_tasks(plan: Plan, run: RunDirectory, data: Json, progress: Progress) -> None:
    options = plan.options
    plan.backend.say = progress.message
    cache = ResponseCache(Path(options.out) / CACHE_FOLDER) if options.cache else None
    engine = make_engine(options, plan.backend, progress)
    generator = Generator(run, plan.backend, cache, progress, engine, options.deterministic)
    scoring: Background[_Scored] = Background()
    try:
        for task in plan.tasks:
            name = task.task.name
            progress.event("task_started", task=name)
            timings = _generate(task, plan, run, data, (generator, cache), progress)
            data["timings"][name] = timings
            progress.event("generated", task=name, **timings)
            # Judges may need the memory the model holds: one large model at a time.
            last = task is plan.tasks[-1]
            scoring.add(
                partial(_score, task, run, progress),
                at_once=last or bool(task.judges) or not options.overlap,
            )
            if usage := run_usage(run, plan):
                data["usage"] = usage
            for scored in scoring.results():
                _record(run, data, scored, progress)
        for scored in scoring.results(wait=True):
            _record(run, data, scored, progress)
    finally:
        scoring.close()
        engine.close()
        if cache is not None:
            cache.close()


def _generate(
    task: TaskPlan,
    plan: Plan,
    run: RunDirectory,
    data: Json,
    means: tuple[Generator, ResponseCache | None],
    progress: Progress,
) -> dict[str, Json]:
    """Load the model and run the generate stage; returns the timings."""
    generator, cache = means
    file = task.task.file
    text_task = task.task.reader == READER
    start = time.perf_counter()
    if plan.options.deterministic:
        make_deterministic(plan.options.seed)
        plan.backend.deterministic = True
    if text_task:
        plan.backend.load(file.inputs, file.output)
    else:
        generator.engine.load(file.inputs, file.output)
    if plan.options.deterministic:
        make_deterministic(plan.options.seed)  # torch has come in meanwhile
    loaded = time.perf_counter()
    if text_task:
        folder = run.task(task.task.directory)
        timeout, size = plan.options.timeout, plan.options.batch_size
        counts = run_text_task(task, plan.backend, cache, folder, progress, timeout, size)
    else:
        counts = generator(task)
    data["tasks"][task.task.name]["n_cached"] = counts.cached
    data["data"][task.task.name] = _describe_data(task)
    return {
        "load": loaded - start,
        "generate": time.perf_counter() - loaded,
        **counts.timings,
        "peak_memory": peak_memory(),
    }


def _score(task: TaskPlan, run: RunDirectory, progress: Progress) -> _Scored:
    seconds: dict[str, float] = {}
    return _Scored(task, annotate_and_score(task, run, progress, seconds), seconds)


def _record(run: RunDirectory, data: Json, scored: _Scored, progress: Progress) -> None:
    """Put a task's scores into run.json. Called in the run's own thread alone."""
    name = scored.task.task.name
    data["timings"][name].update(scored.seconds)
    record_scores(data, name, scored.scores)
    run.write(data)
    progress.event("scores", task=name, scores=data["results"][name], **scored.seconds)


def annotate_and_score(
    task: TaskPlan, run: RunDirectory, progress: Progress, seconds: dict[str, float]
) -> TaskScores:
    """Run the offline stages of a task: judges, statistics, scores. Fills in their `seconds`."""
    start = time.perf_counter()
    folder = run.task(task.task.directory)
    if task.judges:
        targets = {sample.id: sample.targets for sample in task.samples() if sample.targets}
        for judge in task.judges.values():
            judge.targets = targets
    annotate_task(folder, sorted(task.judges), progress, task.judges.__getitem__)
    judged = time.perf_counter()
    if any(metric.needs_split for metric in task.metrics):
        write_references(folder, ((s.id, s.references) for s in task.source))
    if not task.task.spec.scored:
        write_submission(folder)
    scores = score_task(folder, task.metrics, task.primary)
    seconds.update(annotate=judged - start, score=time.perf_counter() - judged)
    return scores


def record_scores(data: Json, name: str, scores: TaskScores) -> None:
    """Put a task's scores and its data fingerprint into run.json's data."""
    data["results"][name] = {m: score_json(score) for m, score in scores.scores.items()}
    data["tasks"][name].update(n_failed=scores.tally.failed, failures=scores.tally.stages)
    data["tasks"][name]["absent"].update(scores.absent)
    data.setdefault("groups", {}).pop(name, None)
    if scores.groups:
        data["groups"][name] = scores.groups
    data["data"][name].update(n=scores.tally.expected, sha256=scores.fingerprint)


def _describe(plan: Plan, argv: Sequence[str] | None) -> Json:
    """Build run.json as it stands at the start."""
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "running",
        "reason": None,
        "command": list(argv if argv is not None else sys.argv),
        "started": _now(),
        "ended": None,
        "plan": plan.identity,
        "options": {**asdict(plan.options), "model_args": dict(plan.options.model_args)},
        "model": plan.backend.identity().to_json(),
        "tasks": {
            task.task.name: {
                "version": task.task.file.version,
                "sha256": task.task.sha256,
                "directory": task.task.directory,
                "split": task.task.split,
                "output": task.task.file.output,
                "prompt_style": task.style,
                "prompt": task.task.prompt(task.style),
                "separator": task.separator,
                "generation": dict(task.settings),
                "metrics": {metric.name: dict(metric.settings) for metric in task.metrics},
                "primary": task.primary,
                "judges": {role: str(judge.identity()) for role, judge in task.judges.items()},
                "absent": dict(task.absent),
            }
            for task in plan.tasks
        },
        "skipped": dict(plan.skipped),
        "data": {},
        "seeds": {"generation": plan.options.seed, "bootstrap": SEED},
        "packages": package_versions(),
        "git": git_state(),
        "hardware": hardware(),
        "timings": {},
        "results": {},
        "files": {},
    }


def _describe_data(task: TaskPlan) -> Json:
    source = task.source
    return {
        "mode": source.mode,
        "reader": source.reader,
        "revision": source.revision,
        "split": "sample" if source.mode == "sample" else task.task.split,
        "split_expected": source.expected,
        "limit": task.limit,
    }


def close_run(run: RunDirectory, data: Json) -> None:
    """Decide the status, hash the files, write run.json for good."""
    reasons = reasons_to_fail(data)
    data["status"] = "failed" if reasons else "complete"
    data["reason"] = "; ".join(reasons) or None
    data["ended"] = _now()
    data["files"] = run.hash_files()
    run.write(data)


def reasons_to_fail(data: Json) -> list[str]:
    """Say why a run whose tasks are all scored is not complete; nothing when it is."""
    reasons = []
    allowed = data["options"]["max_failures"]
    for name, scores in data["results"].items():
        for metric, score in scores.items():
            if score["value"] is None:
                reasons.append(f"{name}: no value for {metric} ({score['note']})")
        failed = max(
            (score["n_failed"] for score in scores.values()),
            default=data["tasks"][name]["n_failed"],
        )
        expected = data["data"][name]["n"]
        if too_many_failures(failed, expected, allowed):
            reasons.append(
                f"{name}: {failed} of {expected} samples failed, --max-failures allows {allowed}"
            )
    return reasons


def _write_failed(run: RunDirectory, data: Json, reason: str) -> None:
    data.update(status="failed", reason=reason, ended=_now())
    try:
        run.write(data)
    except RunError:
        return  # the disk is full: the running run.json stays, which also means "not complete"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

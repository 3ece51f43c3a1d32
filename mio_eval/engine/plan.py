"""The plan of a run: what was asked, resolved and checked before anything is generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from threading import TIMEOUT_MAX

from ..data.sources import DataMode, Source, open_source
from ..errors import UsageError, unknown
from ..jsonio import digest
from ..metrics import get_metric, metric_class
from ..metrics.base import Metric
from ..models import create_model
from ..models.base import Backend
from ..tasks import Task, get_tasks, render
from ..types import Json, Sample


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked to do. The first group decides the numbers; the second only the way."""

    tasks: tuple[str, ...]
    model: str = "starter"
    model_args: Mapping[str, str] = field(default_factory=dict)
    data: DataMode | None = None
    data_dir: str | None = None
    limit: int | None = None
    seed: int = 0
    prompt_style: str | None = None
    separator: str = "\n"
    metric_settings: tuple[str, ...] = ()
    allow_partial: bool = False

    out: str = "results/runs"
    batch_size: int = 16
    timeout: float = 600.0
    max_failures: str = "0"
    cache: bool = True

    def identity(self) -> Json:
        """Return the options that decide the numbers, for finding an unfinished run again."""
        data = asdict(self)
        for name in ("out", "batch_size", "timeout", "max_failures", "cache"):
            del data[name]
        return data


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of a run: its data, prompt, settings and metrics."""

    task: Task
    source: Source
    style: str
    separator: str
    settings: Mapping[str, Json]
    seed: int
    limit: int | None
    metrics: tuple[Metric, ...]
    absent: Mapping[str, str]
    """Metrics that cannot run here, with the reason."""

    def samples(self) -> list[Sample] | islice[Sample]:
        """Iterate the samples to run, in the data's order."""
        return islice(self.source, self.limit)


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked run."""

    options: Options
    backend: Backend
    tasks: tuple[TaskPlan, ...]
    identity: str
    """Hash of the model's identity, the tasks and the options that decide the numbers."""


def make_plan(options: Options, backend: Backend | None = None) -> Plan:
    """Resolve and check everything a run needs. Raises UsageError before any work is done."""
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit {options.limit}: expected a number of samples from 1 up")
    if options.batch_size < 1:
        raise UsageError(f"--batch-size {options.batch_size}: expected a number from 1 up")
    if not 0 < options.timeout <= TIMEOUT_MAX:
        raise UsageError(
            f"--timeout {options.timeout:g}: expected seconds above 0 and below {TIMEOUT_MAX:g}"
        )
    parse_max_failures(options.max_failures)
    if options.data_dir is not None and options.data in ("hub", "sample"):
        raise UsageError(f"--data {options.data} does not read --data-dir; leave one of them out")
    tasks = get_tasks(options.tasks)
    settings = [parse_setting(text) for text in options.metric_settings]
    check_settings(settings, {name for task in tasks for name in task.file.metrics})
    for task in tasks:
        if options.prompt_style is not None:
            task.prompt(options.prompt_style)
    backend = backend or create_model(options.model, options.model_args)
    backend.allow_partial = options.allow_partial
    for task in tasks:
        if not backend.can(task.file.inputs, task.file.output):
            can = "; ".join(sorted(map(str, backend.capabilities)))
            raise UsageError(
                f"model {options.model} cannot run task {task.name}: it needs "
                f"{'+'.join(task.file.inputs)} → {task.file.output}, the model does {can}; "
                "drop the task or choose another model"
            )
    plans = tuple(_plan_task(task, options, backend, settings) for task in tasks)
    _check_samples(plans, backend)
    identity = digest(
        {
            "model": backend.identity().to_json(),
            "tasks": sorted([plan.task.name, plan.task.sha256] for plan in plans),
            "options": {**options.identity(), "tasks": sorted(p.task.name for p in plans)},
        }
    )
    return Plan(options, backend, plans, identity)


def _plan_task(
    task: Task, options: Options, backend: Backend, settings: Sequence[tuple[str, str, str]]
) -> TaskPlan:
    mode = options.data
    if mode is None:
        # The starter has bundled data, so that a fresh machine gets real scores at once.
        starter = options.model == "starter" and options.data_dir is None
        mode = "sample" if starter else "local"
    source = open_source(task, mode, Path(options.data_dir) if options.data_dir else None)
    metrics, absent = build_metrics(task, settings)
    return TaskPlan(
        task=task,
        source=source,
        style=options.prompt_style or task.style_for(backend.prompt_styles),
        separator=options.separator,
        settings=task.file.generation,
        seed=options.seed,
        limit=options.limit,
        metrics=metrics,
        absent=absent,
    )


def build_metrics(
    task: Task, settings: Sequence[tuple[str, str, str]]
) -> tuple[tuple[Metric, ...], dict[str, str]]:
    """Build a task's metrics; those that cannot run here come back with the reason."""
    metrics: list[Metric] = []
    absent: dict[str, str] = {}
    for name in task.file.metrics:
        chosen = dict(task.file.metric_options.get(name, {}))
        try:
            known = metric_class(name).options
            get_metric(name, **chosen)
        except UsageError as error:
            raise UsageError(f"{task.path}: {error}") from error
        for target, key, value in settings:
            if target == name or (not target and key in known):
                chosen[key] = value
        metric = get_metric(name, **chosen)
        reason = metric.unavailable()
        if reason is None:
            metrics.append(metric)
        elif name == task.file.primary:
            raise UsageError(f"task {task.name}: its primary metric {name} cannot run: {reason}")
        else:
            absent[name] = reason
    return tuple(metrics), absent


def parse_setting(text: str) -> tuple[str, str, str]:
    """Split `[metric.]key=value` into (metric or "", key, value)."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise UsageError(f"--set {text!r}: expected key=value or metric.key=value")
    metric, _, key = name.rpartition(".")
    return metric, key, value


def check_settings(settings: Sequence[tuple[str, str, str]], metrics: set[str]) -> None:
    """Refuse settings that no metric of the run takes."""
    for metric, key, _ in settings:
        if metric and metric not in metrics:
            raise unknown("metric", metric, metrics)
        options = {
            k for name in ([metric] if metric else metrics) for k in metric_class(name).options
        }
        if key not in options:
            raise unknown("metric setting", key, options)


def parse_max_failures(text: str) -> tuple[float, bool]:
    """Read `--max-failures`: a count, or a share as `5%`. Returns (value, is a share)."""
    share = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) if share else float(int(text))
    except ValueError as error:
        raise UsageError(
            f"--max-failures {text!r}: expected a count or a share such as 2%"
        ) from error
    if not value >= 0 or (share and value > 100):  # `not`, so that NaN is refused too
        raise UsageError(f"--max-failures {text!r}: expected 0 or more, at most 100%")
    return value, share


def too_many_failures(failed: int, expected: int, limit: str) -> bool:
    """Tell whether more samples failed than `--max-failures` allows."""
    value, share = parse_max_failures(limit)
    return failed > (value / 100 * expected if share else value)


def _check_samples(plans: Sequence[TaskPlan], backend: Backend) -> None:
    """Open every source once, so that missing data stops the run before it starts."""
    known: list[str] = []
    wanted: list[str] = []
    for plan in plans:
        if backend.by_sample:
            ids = [sample.id for sample in plan.source]
            known += ids
            wanted += ids[: plan.limit]
            continue
        first = next(iter(plan.source), None)
        if first is None:
            raise UsageError(f"task {plan.task.name}: {plan.source.place} holds no samples")
        try:
            render(plan.task.prompt(plan.style), first, plan.separator)
        except KeyError as error:
            raise UsageError(
                f"{plan.task.path}: prompts.{plan.style} uses {{{error.args[0]}}}, which the data "
                f"lack; they have {', '.join(first.inputs)}"
            ) from error
    if backend.by_sample:
        backend.preflight(known, wanted)

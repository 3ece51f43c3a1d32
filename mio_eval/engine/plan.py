"""The plan of a run: what was asked, resolved and checked before anything is generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..annotators import Annotator
from ..annotators.judges import make_judge, parse_judges
from ..data.lm_eval_tasks import READER
from ..data.sources import DataMode, Source, has_sample, open_source
from ..errors import UsageError, unknown
from ..jsonio import digest
from ..metrics import get_metric, metric_class
from ..metrics.base import Metric
from ..models import create_model
from ..models.base import Backend
from ..models.loglikelihood import need_loglikelihood
from ..tasks import Task, get_task, get_tasks, move_media, render, task_groups
from ..types import Json, Sample
from .likelihood import for_likelihood
from .options import Options, check_options
from .rundir import SUBMISSION

NO_JUDGE = "none"
DEFAULT_JUDGES = {
    "image": "starter",
    "ssim": "skimage",
    # Distances between sets are no part of the shipped protocols: they run where one is named.
    "inception": NO_JUDGE,
    "effnet": NO_JUDGE,
}


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
    primary: str
    """The task's primary metric, or the one that stands in for it."""
    judges: Mapping[str, Annotator]
    """Role → the judge, not loaded."""

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
    skipped: Mapping[str, str]
    """Tasks of a group that the model cannot run, with the reason."""


def make_plan(options: Options, backend: Backend | None = None) -> Plan:
    """Resolve and check everything a run needs. Raises UsageError before any work is done."""
    check_options(options)
    tasks = get_tasks(options.tasks)
    settings = [parse_setting(text) for text in options.metric_settings]
    judges = parse_judges(options.judges)
    check_settings(settings, {name for task in tasks for name in task.file.metrics})
    for task in tasks:
        if options.prompt_style is not None:
            task.prompt(options.prompt_style)
    backend = backend or create_model(options.model, options.model_args)
    backend.allow_partial = options.allow_partial
    tasks, skipped = _runnable(tasks, options, backend)
    plans = tuple(_plan_task(task, options, backend, settings, judges) for task in tasks)
    _check_samples(plans, backend)
    identity = digest(
        {
            "model": backend.identity().to_json(),
            "tasks": sorted([plan.task.name, plan.task.sha256] for plan in plans),
            "options": {**options.identity(), "tasks": sorted(p.task.name for p in plans)},
        }
    )
    return Plan(options, backend, plans, identity, skipped)


def _runnable(
    tasks: Sequence[Task], options: Options, backend: Backend
) -> tuple[list[Task], dict[str, str]]:
    """Keep the tasks the model can run. Raises UsageError for a task named by itself.

    A task that came in with a group is skipped, with the reason: a group is for every model.
    """
    groups = task_groups()
    named = {get_task(name).name for name in options.tasks if name not in groups}
    kept: list[Task] = []
    skipped: dict[str, str] = {}
    for task in tasks:
        reason = cannot_run(task, options.model, backend)
        sampled = data_mode(options) == "sample"
        if reason is None and sampled and task.name not in named and not has_sample(task):
            reason = f"task {task.name} has no bundled sample"
        if reason is None:
            kept.append(task)
        elif task.name in named:
            raise UsageError(f"{reason}; drop the task or choose another model")
        else:
            skipped[task.name] = reason
    if not kept:
        raise UsageError(next(iter(skipped.values())))
    return kept, skipped


def data_mode(options: Options) -> DataMode:
    """Say where data come from: as asked, else the sample for the starter, else a folder."""
    if options.data is not None:
        return options.data
    # The starter has bundled data, so that a fresh machine gets real scores at once.
    starter = options.model == "starter" and options.data_dir is None
    return "sample" if starter else "local"


def cannot_run(task: Task, model: str, backend: Backend) -> str | None:
    """Say why a model cannot run a task, or None when it can."""
    if not backend.can(task.file.inputs, task.file.output):
        can = "; ".join(sorted(map(str, backend.capabilities)))
        return (
            f"model {model} cannot run task {task.name}: it needs "
            f"{'+'.join(task.file.inputs)} → {task.file.output}, the model does {can}"
        )
    if task.reader == READER:
        try:
            need_loglikelihood(backend, task.name)
        except UsageError as error:
            return str(error).partition("; ")[0]
    return None


def _plan_task(
    task: Task,
    options: Options,
    backend: Backend,
    settings: Sequence[tuple[str, str, str]],
    judges: Mapping[str, str],
) -> TaskPlan:
    source = open_source(
        task, data_mode(options), Path(options.data_dir) if options.data_dir else None
    )
    specs = {**DEFAULT_JUDGES, **task.file.judges, **backend.judges, **judges}
    chosen = choose_metrics(task, settings, specs)
    found = load_judges(task, chosen.metrics, specs, options.judge_device)
    task = move_media(for_likelihood(task, chosen.metrics, backend), options.media_position)
    generation = dict(task.file.generation)
    if task.file.frames:
        generation["frames"] = task.file.frames
    return TaskPlan(
        task=task,
        source=source,
        style=options.prompt_style or task.style_for(backend.prompt_styles),
        separator=options.separator,
        settings=generation,
        seed=options.seed,
        limit=options.limit,
        metrics=chosen.metrics,
        absent=chosen.absent,
        primary=chosen.primary,
        judges=found,
    )


@dataclass(frozen=True, slots=True)
class ChosenMetrics:
    """The metrics of a task that run here, why the others do not, and the primary one."""

    metrics: tuple[Metric, ...]
    absent: dict[str, str]
    primary: str


def choose_metrics(
    task: Task, settings: Sequence[tuple[str, str, str]], judges: Mapping[str, str]
) -> ChosenMetrics:
    """Build a task's metrics; those that cannot run here come back with the reason.

    A judge named `none` is left out: its metrics are absent, and where the task names a
    substitute, that one runs under its own name.
    """
    if not task.spec.scored:
        why = f"the answers of split {task.split} are not public; see {SUBMISSION}"
        return ChosenMetrics((), dict.fromkeys(task.file.metrics, why), task.file.primary)
    metrics: list[Metric] = []
    absent: dict[str, str] = {}
    primary = task.file.primary
    stand_ins = set(task.file.substitutes.values())
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
        metric.bind(task.file.output, {})
        reason = metric.unavailable()
        if out := [role for role in metric.annotators if judges.get(role) == NO_JUDGE]:
            reason = f"left out with the judge {out[0]} ({out[0]}={NO_JUDGE})"
            if name in task.file.substitutes:
                stand_ins.discard(task.file.substitutes[name])
                if name == primary:
                    primary = task.file.substitutes[name]
        if reason is None:
            metrics.append(metric)
        elif name == primary:
            raise UsageError(f"task {task.name}: its primary metric {name} cannot run: {reason}")
        else:
            absent[name] = reason
    return ChosenMetrics(tuple(m for m in metrics if m.name not in stand_ins), absent, primary)


def load_judges(
    task: Task, metrics: Sequence[Metric], specs: Mapping[str, str], device: str
) -> dict[str, Annotator]:
    """Make the judges that metrics need, check that each can be had, and tell the metrics.

    Raises UsageError naming model, metric and alternative.
    """
    found: dict[str, Annotator] = {}
    for metric in metrics:
        for role in metric.annotators:
            if role in found:
                continue
            judge = make_judge(role, specs.get(role, ""), device)
            try:
                judge.identity()
            except UsageError as error:
                raise UsageError(
                    f"task {task.name}, metric {metric.name}: {error}; "
                    f"or leave it out: --judge {role}={NO_JUDGE}"
                ) from error
            finally:
                judge.close()
            found[role] = judge
        roles = metric.annotators
        metric.bind(task.file.output, {role: str(found[role].identity()) for role in roles})
    return found


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

"""Scores a finished run again from what it stored: no model, no data set."""

from __future__ import annotations

from pathlib import Path

from ..annotators.judges import JUDGES
from ..errors import RunError, UsageError
from ..metrics import get_metric
from ..metrics.base import Metric
from ..tasks import get_task
from ..types import Json
from .annotate import annotate_task
from .plan import NO_JUDGE, check_settings, choose_metrics, parse_setting
from .progress import Progress, Silent
from .run import close_run, record_scores
from .rundir import SAMPLES, RunDirectory
from .score import score_task


def rescore(path: Path, settings: tuple[str, ...] = (), progress: Progress | None = None) -> Json:
    """Run the offline stages of a run again and write its run.json; returns its content.

    Settings given replace those the run was scored with. Raises UsageError for a run that never
    finished generating.
    """
    progress = progress or Silent()
    run = RunDirectory(path)
    run.read()  # refuses a folder that is no run before a lock is made in it
    run.lock()
    try:
        data = run.read()
        if unfinished := [name for name in data["tasks"] if name not in data["data"]]:
            raise UsageError(
                f"{path}: task {unfinished[0]} was not generated to the end; "
                f"go on with: mio-eval run --resume {path}"
            )
        chosen = [parse_setting(text) for text in settings]
        check_settings(chosen, {m for facts in data["tasks"].values() for m in facts["metrics"]})
        for name, facts in data["tasks"].items():
            metrics, absent = _metrics(name, facts, chosen)
            folder = run.task(facts["directory"])
            # The shipped judges need the data set's media, which a run directory has not; what
            # they said is stored. A plug-in's judge works on the outputs alone.
            judges = {judge for metric in metrics for judge in metric.annotators} - set(JUDGES)
            if judges:
                annotate_task(folder, sorted(judges), progress)
            facts["metrics"] = {metric.name: dict(metric.settings) for metric in metrics}
            facts["absent"] = absent
            scores = score_task(folder, metrics, facts["primary"])
            if scores.tally.expected != data["data"][name]["n"]:
                raise RunError(
                    f"{folder / SAMPLES} holds {scores.tally.expected} samples, the run had "
                    f"{data['data'][name]['n']}; restore it, or go on with: "
                    f"mio-eval run --resume {path}"
                )
            record_scores(data, name, scores)
        close_run(run, data)
        return data
    finally:
        run.unlock()


def _metrics(
    name: str, facts: Json, settings: list[tuple[str, str, str]]
) -> tuple[list[Metric], dict[str, str]]:
    """Build the metrics a task was scored with, and those that were absent then but run now."""
    recorded = [(m, k, v) for m, options in facts["metrics"].items() for k, v in options.items()]
    try:
        task = get_task(name)
        used = facts.get("judges", {})
        roles = {*task.file.judges, *JUDGES}
        left_out = {role: NO_JUDGE for role in roles if role not in used}
        chosen = choose_metrics(task, [*recorded, *settings], {**left_out, **used})
    except UsageError:
        if settings:
            raise
        # The task file is gone: the recorded metrics can still be computed.
        return recorded_metrics(facts), {}
    for metric in chosen.metrics:
        metric.bind(task.file.output, used)
    return list(chosen.metrics), chosen.absent


def recorded_metrics(facts: Json) -> list[Metric]:
    """Build the metrics a task was scored with, from its entry in run.json."""
    metrics = []
    for name, options in facts["metrics"].items():
        metric = get_metric(name, **options)
        metric.bind(facts.get("output", "text"), facts.get("judges", {}))
        metrics.append(metric)
    return metrics

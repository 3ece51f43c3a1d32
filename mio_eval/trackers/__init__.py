"""Experiment trackers: logs a finished run's scores, intervals, counts and signatures.

What is logged is built once (`Log`), without secrets; a tracker only hands it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import RunError, UsageError, first_line, unknown
from ..types import Json

if TYPE_CHECKING:
    from ..export.source import RunSource

Send: TypeAlias = "Callable[[Log, Mapping[str, str]], list[Path]]"

TRACKERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "wandb": ("wandb", ("project", "entity", "name", "group", "mode", "dir", "samples")),
    "mlflow": ("mlflow", ("experiment", "uri", "name", "samples")),
    "trackio": ("trackio", ("project", "name", "space_id", "samples")),
}
"""Tracker → the package it needs, and its settings."""
PROJECT = "mio-eval"


@dataclass(frozen=True, slots=True)
class Log:
    """What a tracker is given."""

    run: str
    """The run's id."""
    status: str
    metrics: Mapping[str, float]
    """`task/metric`, with `/ci_low`, `/ci_high`, `/n_scored`, `/n_failed` behind it."""
    config: Json
    """Options, model, versions and signatures."""
    scores: tuple[Sequence[str], list[list[Any]]]
    """The table of scores: columns, rows."""
    samples: tuple[Sequence[str], list[list[Any]]]
    """The table of samples, empty unless asked for."""


def check_tracker(spec: str) -> tuple[str, dict[str, str]]:
    """Read `wandb:project=x,mode=offline` and see that its package is there.

    Raises UsageError for an unknown tracker or setting, or a package that is not installed.
    """
    name, _, rest = spec.partition(":")
    if name not in TRACKERS:
        raise unknown("tracker", name, TRACKERS)
    settings: dict[str, str] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or not value:
            raise UsageError(f"--tracker {spec!r}: expected {name}:key=value,key=value")
        settings[key] = value
    _check(name, settings)
    return name, settings


def track(source: RunSource, tracker: str, settings: Mapping[str, str]) -> list[Path]:
    """Log a finished run. Returns the local files written, if any.

    Settings: of the tracker (`TRACKERS`); `samples=N` also logs a table of the first N samples,
    which no tracker gets otherwise: they may be data that must not leave the machine.

    Raises UsageError for a wrong setting, RunError when the tracker refuses.
    """
    _check(tracker, settings)
    log = make_log(source, _samples(settings))
    module = import_module(f".{tracker}_log", __package__)
    send: Send = module.send
    refused: tuple[type[Exception], ...] = (OSError, ValueError, RuntimeError, *module.refusals())
    try:
        return send(log, settings)
    except refused as error:
        raise RunError(
            f"{tracker} did not take the results ({first_line(error)}). The run is complete in "
            f"{source.run.path}; log it again with: mio-eval export {source.run.path} --to "
            f"{tracker}"
        ) from error


def make_log(source: RunSource, samples: int = 0) -> Log:
    """Build what is logged of a run."""
    from ..export.tables import tables

    metrics: dict[str, float] = {}
    signatures: dict[str, str] = {}
    for task in source.tasks:
        for metric, score in source.scores(task).items():
            name = f"{task}/{metric}"
            signatures[name] = score["signature"]
            for key, path in (("value", name), ("ci_low", f"{name}/ci_low")):
                if score[key] is not None:
                    metrics[path] = float(score[key])
            if score["ci_high"] is not None:
                metrics[f"{name}/ci_high"] = float(score["ci_high"])
            for count in ("n_scored", "n_failed"):
                metrics[f"{name}/{count}"] = float(score[count])
    data = {task: source.dataset(task) for task in source.tasks}
    found = tables(source)
    header, rows = found["samples"]
    return Log(
        run=source.name,
        status=str(source.data["status"]),
        metrics=metrics,
        config={
            **source.config,
            "data": data,
            "command": " ".join(source.command),
            "signatures": signatures,
        },
        scores=found["scores"],
        samples=(header, rows[:samples]),
    )


def _samples(settings: Mapping[str, str]) -> int:
    text = settings.get("samples", "0")
    if not text.isdecimal():
        raise UsageError(f"samples={text}: expected a number of samples, such as samples=100")
    return int(text)


def _check(tracker: str, settings: Mapping[str, str]) -> None:
    package, known = TRACKERS[tracker]
    for name in settings:
        if name not in known:
            raise unknown(f"setting of {tracker}", name, known)
    _samples(settings)
    if find_spec(package) is None:
        raise UsageError(
            f"tracker {tracker} needs {package}, which is not installed; install it: "
            f'pip install "mio-eval[{tracker}]"'
        )

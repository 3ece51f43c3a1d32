"""Weights & Biases: a run with summary values, tables and config. `WANDB_MODE=offline` works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import PROJECT, Log


def refusals() -> tuple[type[Exception], ...]:
    """Return the library's own errors."""
    import wandb

    return (wandb.Error,)


def send(log: Log, settings: Mapping[str, str]) -> list[Path]:
    """Log to W&B. Returns the folder of an offline run, which `wandb sync` sends later."""
    import wandb

    # Nothing of this machine is watched: the run has been, what is logged are its results.
    quiet = wandb.Settings(
        console="off", disable_git=True, disable_code=True, x_disable_stats=True, silent=True
    )
    mode: Any = settings.get("mode")  # wandb says which modes there are
    run = wandb.init(
        project=settings.get("project", PROJECT),
        entity=settings.get("entity"),
        name=settings.get("name", log.run),
        group=settings.get("group"),
        mode=mode,
        dir=settings.get("dir"),
        job_type="eval",
        tags=[f"status:{log.status}"],
        config=log.config,
        settings=quiet,
    )
    offline = bool(run.offline)
    folder = Path(run.dir).parent
    try:
        values: dict[str, object] = dict(log.metrics)
        for name, (header, rows) in (("scores", log.scores), ("samples", log.samples)):
            if rows:
                cells = [[_cell(value) for value in row] for row in rows]
                values[name] = wandb.Table(columns=list(header), data=cells)
        run.log(values)
        run.summary["status"] = log.status
    finally:
        run.finish(exit_code=0)
    return [folder] if offline else []


def _cell(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value

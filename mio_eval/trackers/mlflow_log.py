"""MLflow: a run with metrics, parameters, tags, and the tables as artifacts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..jsonio import dumps
from ..types import Json
from . import PROJECT, Log

_LONGEST = 500  # characters of a parameter that every MLflow store takes
_UNSAFE = re.compile(r"[^\w./ -]")  # what MLflow refuses in names


def refusals() -> tuple[type[Exception], ...]:
    """Return the library's own errors."""
    from mlflow.exceptions import MlflowException

    return (MlflowException,)


def send(log: Log, settings: Mapping[str, str]) -> list[Path]:
    """Log to the tracking store `uri` (default: what MLFLOW_TRACKING_URI says)."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=settings.get("uri"))
    name = settings.get("experiment", PROJECT)
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    run = client.create_run(experiment, run_name=settings.get("name", log.run))
    identity = run.info.run_id
    finished = "FAILED"
    try:
        now = run.info.start_time
        client.log_batch(
            identity,
            metrics=[Metric(_UNSAFE.sub("_", n), v, now, 0) for n, v in log.metrics.items()],
            params=[Param(n, v) for n, v in _parameters(log.config)],
            tags=[RunTag("mio_eval.run", log.run), RunTag("mio_eval.status", log.status)],
        )
        client.log_dict(identity, log.config, "config.json")
        for table, (header, rows) in (("scores", log.scores), ("samples", log.samples)):
            if rows:
                lines = [dict(zip(header, row, strict=True)) for row in rows]
                client.log_dict(identity, {"rows": lines}, f"{table}.json")
        # A run of failed samples is a failed run here too.
        finished = "FINISHED" if log.status == "complete" else "FAILED"
    finally:
        client.set_terminated(identity, status=finished)
    return []


def _parameters(config: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten the config to names with dots; what is too long stands in config.json alone."""
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _parameters(value, f"{name}.")
        elif value not in (None, "", [], {}):
            text = value if isinstance(value, str) else dumps(value)
            if len(text) <= _LONGEST:
                yield _UNSAFE.sub("_", name), text

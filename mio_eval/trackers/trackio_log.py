"""trackio: a local run of metrics and tables, or one in a Space."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import PROJECT, Log


def refusals() -> tuple[type[Exception], ...]:
    """Return the library's own errors."""
    return ()


def send(log: Log, settings: Mapping[str, str]) -> list[Path]:
    """Log to trackio's local store, or to the Space `space_id`."""
    import pandas
    import trackio

    run = trackio.init(
        project=settings.get("project", PROJECT),
        name=settings.get("name", log.run),
        space_id=settings.get("space_id"),
        config={**log.config, "status": log.status},
        embed=False,
    )
    values: dict[str, object] = dict(log.metrics)
    for name, (header, rows) in (("scores", log.scores), ("samples", log.samples)):
        if rows:
            cells = [["; ".join(v) if isinstance(v, list) else v for v in row] for row in rows]
            frame = pandas.DataFrame(cells, columns=list(header))
            values[name] = trackio.Table(dataframe=frame)
    run.log(values)
    run.finish()
    return []

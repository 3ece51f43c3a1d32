"""What a run has used: tokens and the like, summed over what its journals hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..types import Json
from .journal import read_journal
from .plan import Plan
from .rundir import SAMPLES, RunDirectory


def run_usage(run: RunDirectory, plan: Plan) -> Json:
    """Sum `timing.usage` of all answers; {} when none states any.

    Answers out of the cache cost nothing and are not counted, nor are failed ones that a resumed
    run asked for again. `n_unstated` are fresh answers without counts: with some, sums (and a
    cost) are lower bounds.
    """
    tasks: dict[str, Json] = {}
    totals: dict[str, float] = {}
    unstated = 0
    for task in plan.tasks:
        sums: dict[str, float] = {}
        for record in read_journal(run.path / task.task.directory / SAMPLES):
            timing = record.get("timing") or {}
            usage = timing.get("usage")
            if usage:
                _add(sums, usage)
            elif record["status"] == "ok" and not (timing.get("cached") or timing.get("shared")):
                unstated += 1
        if sums:
            tasks[task.task.name] = sums
            _add(totals, sums)
    extra = dict(plan.backend.spent(totals))
    if not totals and not extra:
        return {}
    return {"tasks": tasks, "total": totals, "n_unstated": unstated, **extra}


def _add(sums: dict[str, float], usage: Mapping[str, Json]) -> None:
    for name, value in usage.items():
        if isinstance(value, int | float) and math.isfinite(value):
            sums[name] = sums.get(name, 0) + value

"""The part of a report that is small: runs, tasks, scores, flags, published rows, definitions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field

from ... import __version__
from ...errors import UsageError
from ...metrics import metric_class
from ...tasks.schema import Published
from ...types import Json
from ..known import task_of
from ..matrix import cell_flags, title_of
from ..published import published_table
from ..runs import Run, labels
from ..tables import number, verdict

_SHOWN_SETTINGS = 300  # characters of a command line or prompt


@dataclass(slots=True)
class Facts:
    """What the page knows before it reads any sample."""

    runs: Sequence[Run]
    tasks: list[Json] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return the facts as the page's scripts read them."""
        return {
            "version": __version__,
            "runs": [_run(run, label) for run, label in self._labelled()],
            "tasks": self.tasks,
            "definitions": _definitions(self.runs),
        }

    def _labelled(self) -> list[tuple[Run, str]]:
        return list(zip(self.runs, labels(self.runs), strict=True))


def task_names(runs: Sequence[Run]) -> list[str]:
    """Return the tasks with results, in the order of the runs."""
    return list(dict.fromkeys(name for run in runs for name in run.data["results"]))


def _run(run: Run, label: str) -> Json:
    data = run.data
    model: Json = data["model"]
    git: Json = data.get("git")
    commit = "–"
    if git:
        commit = f"{git['commit'][:12]}{' (changed)' if git['dirty'] else ''}"
    about = [
        ("Model", model["name"]),
        ("Backend", f"{model['backend']} {model['version']}"),
        ("Revision", model["revision"]),
        ("Numbers", model["dtype"]),
        ("Started", data["started"]),
        ("Ended", data["ended"]),
        ("Command", " ".join(map(str, data["command"]))),
        ("mio-eval", f"{data['packages']['mio-eval']}, commit {commit}"),
        ("Machine", f"{data['hardware']['processor']}, {data['hardware']['system']}"),
    ]
    return {
        "label": label,
        "id": run.id,
        "status": data["status"],
        "verdict": verdict(run.path.resolve().relative_to(run.path.resolve().parent), data),
        "about": [[k, str(v)[:_SHOWN_SETTINGS]] for k, v in about if v],
        "skipped": [[k, str(v)] for k, v in data.get("skipped", {}).items()],
    }


def task_facts(name: str, runs: Sequence[Run]) -> Json:
    """Describe a task: its runs' scores and flags, its published rows."""
    try:
        task = task_of(name)
        title, protocol = task.file.title, task.file.protocol
        published = [_published(spec) for spec in task.file.published]
        notes = [f"Protocol: {protocol.source}", *protocol.notes]
    except UsageError:  # the task file is gone: the runs still have their numbers
        title, published, notes = name, [], []
    return {
        "name": name,
        "title": title,
        "notes": notes,
        "published": [table for table in published if table["rows"]],
        "runs": [_task_of_run(name, run) if name in run.data["results"] else None for run in runs],
    }


def _task_of_run(name: str, run: Run) -> Json:
    facts, data = run.data["tasks"][name], run.data
    scores = data["results"][name]
    return {
        "n": data["data"][name]["n"],
        "split": data["data"][name]["split"],
        "primary": facts["primary"],
        "prompt": facts.get("prompt", "")[:_SHOWN_SETTINGS],
        "settings": [[str(k), str(v)] for k, v in facts.get("generation", {}).items()],
        "judges": [[role, str(name)] for role, name in facts.get("judges", {}).items()],
        "absent": [[metric, str(why)] for metric, why in facts.get("absent", {}).items()],
        "metrics": [_metric(name, metric, score, data) for metric, score in scores.items()],
        "groups": _groups(data.get("groups", {}).get(name, {}), scores),
    }


def _metric(task: str, metric: str, score: Json, data: Json) -> Json:
    unit = score["unit"]
    return {
        "name": metric,
        "title": title_of(metric),
        "unit": unit,
        "better": "higher" if score["higher_is_better"] else "lower",
        "value": score["value"],
        "low": score["ci_low"],
        "high": score["ci_high"],
        "text": number(score["value"], unit),
        "interval": _interval(score, unit),
        "scored": score["n_scored"],
        "expected": score["n_expected"],
        "failed": score["n_failed"],
        "signature": score["signature"],
        "primary": score["primary"],
        "note": score.get("note") or "",
        "flags": list(cell_flags(task, metric, data)),
    }


def _interval(score: Json, unit: str) -> str:
    if score["ci_low"] is None:
        return "–"
    return f"[{number(score['ci_low'], unit)}, {number(score['ci_high'], unit)}]"


def _groups(groups: Json, scores: Json) -> Json:
    """List a run's per-dimension rows: metric, group, value, interval, counts."""
    return [
        {
            "metric": metric,
            "group": str(group),
            "text": number(row["value"], scores[metric]["unit"]),
            "value": row["value"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "interval": _interval(row, scores[metric]["unit"]),
            "scored": row["n_scored"],
            "failed": row["n_failed"],
        }
        for metric, rows in groups.items()
        if metric in scores
        for group, row in rows.items()
    ]


def _published(spec: Published) -> Json:
    table = published_table(spec)
    return {
        "source": table.source,
        "metrics": list(table.metrics),
        "columns": list(table.columns),
        "comparable": spec.comparable_split,
        "rows": [
            {"model": r.model, "values": list(r.values), "split": r.split, "remark": r.remark}
            for r in table.rows
        ],
    }


def _definitions(runs: Sequence[Run]) -> Json:
    """Explain every metric of the runs: what it is, and each signature with its place."""
    found: dict[str, Json] = {}
    for run, label in zip(runs, labels(runs), strict=True):
        for task, scores in run.data["results"].items():
            for metric, score in scores.items():
                if metric not in found:
                    found[metric] = _definition(metric, score)
                found[metric]["uses"].append([f"{label} · {task}", score["signature"]])
    return list(found.values())


def _definition(metric: str, score: Json) -> Json:
    about = ""
    limits: list[str] = []
    try:
        known = metric_class(metric)
        about = inspect.getdoc(known) or ""
        limits = [_limit(x) for x in known.range]
    except UsageError:
        pass  # a plug-in's metric that is not installed here
    return {
        "name": metric,
        "title": title_of(metric),
        "about": about,
        "range": limits or None,
        "unit": score["unit"],
        "better": "higher" if score["higher_is_better"] else "lower",
        "uses": [],
    }


def _limit(value: float) -> str:
    """Write a bound; JSON has no infinity."""
    return "∞" if value == float("inf") else "−∞" if value == float("-inf") else f"{value:g}"

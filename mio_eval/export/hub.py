"""Hugging Face: a model card's `model-index`, and `.eval_results/*.yaml`, by huggingface_hub.

`model-index` takes every score. `.eval_results` puts a number on a benchmark's leaderboard, so it
takes primary scores on official data in full alone, and only where the benchmark is named: no score
that a table would flag (another split, setting or judge, a substitute, samples without a score).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..jsonio import write_atomic
from ..report.matrix import cell_flags
from ..tasks import get_task
from ..tasks.schema import TaskFile
from ..types import Json
from .source import RunSource, file_name

# Inputs and output of a task → the hub's name for it (huggingface.co/tasks).
_TASK_TYPES: tuple[tuple[str, str, str], ...] = (
    ("video", "text", "video-text-to-text"),
    ("audio", "text", "automatic-speech-recognition"),
    ("image", "text", "image-text-to-text"),
    ("image", "image", "image-to-image"),
    ("text", "image", "text-to-image"),
    ("text", "audio", "text-to-speech"),
    ("text", "text", "text-generation"),
)


def export_hub(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `README.md` with a `model-index`, and `.eval_results/TASK.yaml` where it may be.

    Settings: `source_url` and `source_name` link to where the run can be seen; `dataset_id.TASK`
    and `task_id.TASK` name the benchmark on the hub and its task.

    Raises UsageError without huggingface_hub.
    """
    try:
        import yaml
        from huggingface_hub import ModelCard, ModelCardData
    except ImportError as error:
        raise UsageError(
            "hf needs huggingface_hub, which is not installed; install it: "
            'pip install "mio-eval[export]"'
        ) from error
    if "source_name" in settings and "source_url" not in settings:
        raise UsageError("source_name needs source_url too: a name of what the link leads to")
    results = [r for task in source.tasks for r in _results(source, task, settings)]
    data = ModelCardData(model_name=source.model, eval_results=results)
    content = f"---\n{data.to_yaml()}\n---\n"
    ModelCard(content)  # refuses what the hub could not read
    written = [out / "README.md"]
    write_atomic(written[0], [content.encode()])
    for task in source.tasks:
        entry = _entry(source, task, settings)
        if entry is not None:
            path = out / ".eval_results" / f"{file_name(task)}.yaml"
            path.parent.mkdir(exist_ok=True)
            text = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True)
            write_atomic(path, [text.encode()])
            written.append(path)
    return written


def _results(source: RunSource, task: str, settings: Mapping[str, str]) -> list[Any]:
    from huggingface_hub import EvalResult

    file = _file(task)
    data = source.dataset(task)
    hub = file.dataset.hub if file is not None else None
    where: dict[str, Json] = {
        "task_type": _task_type(file),
        "task_name": file.title if file is not None else task,
        "dataset_type": _dataset(data, hub.id if hub else "", settings.get(f"dataset_id.{task}")),
        "dataset_name": f"{file.title if file is not None else task} ({_split(source, task)})",
        "dataset_split": data["split"],
        "dataset_revision": _revision(data),
        "dataset_args": {k: data.get(k) for k in ("mode", "limit", "n", "sha256")},
        "source_url": settings.get("source_url"),
        "source_name": settings.get("source_name"),
    }
    return [
        EvalResult(
            **where,
            metric_type=metric,
            metric_name=f"{metric} ({score['unit']})" if score["unit"] else metric,
            metric_value=score["value"],
            metric_args={
                name: score[name]
                for name in (
                    *("ci_low", "ci_high", "confidence", "n_expected", "n_scored", "n_failed"),
                    *("higher_is_better", "signature"),
                )
            },
            verified=False,
        )
        for metric, score in source.scores(task).items()
        if score["value"] is not None
    ]


def _entry(source: RunSource, task: str, settings: Mapping[str, str]) -> list[Json] | None:
    """Return the `.eval_results` entry of a task, None where it may have none."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    data = source.dataset(task)
    file = _file(task)
    hub = file.dataset.hub if file is not None else None
    dataset = settings.get(f"dataset_id.{task}") or (hub.id if hub else None)
    whole = data["mode"] != "sample" and data["n"] == data.get("split_expected")
    primary = next(((m, s) for m, s in source.scores(task).items() if s["primary"]), None)
    if dataset is None or not whole or primary is None or primary[1]["value"] is None:
        return None
    metric, score = primary
    if cell_flags(task, metric, source.data):
        return None
    notes = f"{metric} {score['unit']}".strip()
    if score["ci_low"] is not None:
        level = f"{100 * score['confidence']:g} % interval"
        notes += f"; {level} {score['ci_low']:.4g} to {score['ci_high']:.4g}"
    notes += (
        f"; {score['n_scored']} of {score['n_expected']} scored, {score['n_failed']} failed"
        f"; {score['signature']}"
    )
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id=settings.get(f"task_id.{task}", task.partition(":")[0]),
        value=score["value"],
        dataset_revision=_revision(data) if data["mode"] == "hub" else None,
        date=source.ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
        source_url=settings.get("source_url"),
        source_name=settings.get("source_name"),
        notes=notes,
    )
    found: list[Json] = eval_result_entries_to_yaml([entry])
    return found


def _dataset(data: Json, hub: str, given: str | None) -> str:
    """Return the data set's id on the hub. Bundled sample data are not that data set."""
    if data["mode"] == "sample":
        return "mio-eval-sample-data"
    return given or hub or str(data["reader"])


def _revision(data: Json) -> str | None:
    return str(data["revision"]) if data.get("revision") else None


def _split(source: RunSource, task: str) -> str:
    data = source.dataset(task)
    kind = "bundled sample data" if data["mode"] == "sample" else str(data["split"])
    if data.get("limit"):
        return f"{kind}, first {data['limit']}"
    expected = source.incomplete(task)
    return f"{kind}, {data['n']} of {expected} samples" if expected else kind


def _task_type(file: TaskFile | None) -> str:
    if file is None:
        return "any-to-any"
    found = (
        kind
        for modality, output, kind in _TASK_TYPES
        if modality in file.inputs and output == file.output
    )
    return next(found, "any-to-any")


def _file(task: str) -> TaskFile | None:
    """Return the file of a task, None for one that is not installed here."""
    try:
        return get_task(task).file
    except UsageError:
        return None

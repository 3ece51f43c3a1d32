"""Inspect's eval logs, one a task: `.eval` (zip, what `inspect view` lists) and `.json`.

The files are written without inspect_ai, in version 2 of its format. A failed sample is a sample
with an error and without scores.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..engine.journal import json_line
from ..jsonio import clean_text, write_atomic
from ..report.html.media import sniff
from ..types import Json
from .source import ExportedSample, RunSource, file_name, standard_error

VERSION = 2
MEDIA_LIMIT = 4 << 20  # bytes of one medium that goes into the log
TOTAL_LIMIT = 256 << 20  # bytes of all media in a log
# What the log's readers know: the media type of an attachment, and inspect's name of the format.
_FORMATS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
}


def export_eval(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `TIME_TASK_ID.eval` for every task."""
    return [_write_eval(source, task, out) for task in source.tasks]


def export_json(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `TIME_TASK_ID.json` for every task, all samples in one document."""
    written = []
    for task in source.tasks:
        path = out / f"{_stem(source, task)}.json"
        log = {**_header(source, task), "samples": list(_samples(source, task))}
        write_atomic(path, [json_line(log)])
        written.append(path)
    return written


def _write_eval(source: RunSource, task: str, out: Path) -> Path:
    header = _header(source, task)
    start = {key: header[key] for key in ("version", "eval", "plan")}
    buffer = io.BytesIO()
    summaries = []
    with zipfile.ZipFile(buffer, "w") as archive:

        def add(name: str, content: Json) -> None:
            member = zipfile.ZipInfo(name, source.ended.timetuple()[:6])  # the same run, same file
            member.external_attr = 0o644 << 16
            archive.writestr(member, json_line(content), zipfile.ZIP_DEFLATED)

        add("_journal/start.json", start)
        for sample in _samples(source, task):
            add(_member(sample["id"]), sample)
            summaries.append(_summary(sample))
        add("summaries.json", summaries)
        add("header.json", header)
    path = out / f"{_stem(source, task)}.eval"
    write_atomic(path, [buffer.getvalue()])
    return path


def _member(name: str) -> str:
    """Return where inspect looks for a sample; an id that would lead out of a folder is hashed."""
    if ".." in name or "\\" in name or "\0" in name or name.startswith("/") or len(name) > 200:
        name = hashlib.sha256(clean_text(name).encode()).hexdigest()
    return f"samples/{clean_text(name)}_epoch_1.json"


def _stem(source: RunSource, task: str) -> str:
    """Name a log as inspect does: time, task, id."""
    time = source.ended.strftime("%Y-%m-%dT%H-%M-%S+00-00")
    return f"{time}_{file_name(task).replace('_', '-')}_{_identity(source, task)}"


def _identity(source: RunSource, task: str) -> str:
    return hashlib.sha256(f"{source.name}/{task}".encode()).hexdigest()[:22]


def _header(source: RunSource, task: str) -> dict[str, Json]:
    data, facts = source.dataset(task), source.facts(task)
    config = source.config
    header: dict[str, Json] = {
        "version": VERSION,
        "status": "success" if source.complete else "error",
        "eval": {
            "run_id": hashlib.sha256(source.name.encode()).hexdigest()[:22],
            "created": source.data["started"],
            "task": task,
            "task_id": _identity(source, task),
            "task_version": facts["version"],
            "task_attribs": {},
            "task_args": {},
            "dataset": {
                "name": f"{task} ({data['mode']})",
                "location": f"{data['reader']} {data.get('revision') or ''}".strip(),
                "samples": data["n"],
                "shuffled": False,
            },
            "model": f"mio-eval/{source.model}",
            "model_args": config["options"].get("model_args", {}),
            "config": {"limit": data["limit"]} if data.get("limit") else {},
            "packages": {"mio-eval": str(config["packages"].get("mio-eval", ""))},
            "metadata": {
                "run": source.name,
                "status": source.data["status"],
                "reason": source.data.get("reason"),
                "command": source.command,
                "data": data,
                "prompt": facts["prompt"],
                "prompt_style": facts["prompt_style"],
                "judges": facts.get("judges", {}),
            },
        },
        "plan": {
            "name": "plan",
            "steps": [{"solver": "mio-eval/generate", "params": facts["generation"]}],
            "config": {},
        },
        "results": {
            "total_samples": data["n"],
            "completed_samples": data["n"] - facts.get("n_failed", 0),
            "scores": [_score(m, s) for m, s in source.scores(task).items()],
        },
        "stats": {
            "started_at": source.data["started"],
            "completed_at": source.data.get("ended") or source.data["started"],
            "model_usage": {},
        },
    }
    if not source.complete:
        said = str(source.data.get("reason") or source.data["status"])
        header["error"] = _error(said)
    return header


def _score(metric: str, score: Json) -> dict[str, Json]:
    values = {
        "value": score["value"],
        "stderr": standard_error(score),
        "ci_low": score["ci_low"],
        "ci_high": score["ci_high"],
        "n_scored": score["n_scored"],
        "n_failed": score["n_failed"],
    }
    return {
        "name": metric,
        "scorer": f"mio-eval/{metric}",
        "params": {},
        "metrics": {
            name: {"name": name, "value": value, "params": {}}
            for name, value in values.items()
            if value is not None
        },
        "metadata": {
            name: score.get(name)
            for name in (
                *("signature", "unit", "higher_is_better", "primary", "confidence", "n_expected"),
                "note",
            )
        },
    }


def _error(message: str) -> dict[str, str]:
    return {"message": message, "traceback": "", "traceback_ansi": ""}


def _samples(source: RunSource, task: str) -> Iterator[dict[str, Json]]:
    budget = TOTAL_LIMIT
    for sample in source.samples(task):
        found, used = _sample(source, sample, budget)
        budget -= used
        yield found


def _sample(source: RunSource, sample: ExportedSample, budget: int) -> tuple[dict[str, Json], int]:
    record = sample.record
    content, attachments, used = _answer(source, sample, budget)
    question: dict[str, Json] = {"role": "user", "content": _question(record.get("prompt") or ())}
    messages = [question]
    output: dict[str, Json] = {"model": f"mio-eval/{source.model}", "choices": []}
    if sample.ok:
        answer = {"role": "assistant", "content": content, "source": "generate"}
        messages = [question, answer]
        whole = {**answer, "content": _inline(content, attachments)}
        output["choices"] = [{"message": whole, "stop_reason": "stop"}]
        seconds = (record.get("timing") or {}).get("seconds")
        if seconds is not None:
            output["time"] = seconds
    references = sample.references
    media = sample.media
    found: dict[str, Json] = {
        "id": sample.id,
        "epoch": 1,
        "input": [question],
        "target": references[0] if len(references) == 1 else references,
        "messages": messages,
        "output": output,
        "scores": {m: {"value": v, "answer": sample.text} for m, v in sample.scores.items()},
        "metadata": {
            "cluster": record.get("cluster", ""),
            "key": record.get("key"),
            "status": record["status"],
            **({"media": media[1], "sha256": media[2]} if media else {}),
            **({"meta": record["meta"]} if record.get("meta") else {}),
        },
        "store": {},
        "events": [],
        "model_usage": {},
        "attachments": attachments,
    }
    if not sample.ok:
        found["error"] = _error(sample.failure)
    return found, used


def _question(parts: Sequence[Json]) -> list[dict[str, Json]]:
    """Return the prompt's parts. Input media stay where they are: the log names and hashes them."""
    found: list[dict[str, Json]] = []
    for part in parts:
        kind = next((k for k in ("image", "audio", "video") if k in part), None)
        text = part.get("text", "")
        if kind is not None:
            text = f"[{kind} {part[kind]}, sha256 {part.get('sha256')}]"
        found.append({"type": "text", "text": str(text)})
    return found


def _answer(
    source: RunSource, sample: ExportedSample, budget: int
) -> tuple[str | list[dict[str, Json]], dict[str, str], int]:
    """Return the answer's content, its attachments, and how many bytes those take."""
    if sample.media is None:
        return sample.text or "", {}, 0
    kind, place, sha256 = sample.media
    named = {"type": "text", "text": f"[{kind} {place}, sha256 {sha256}]"}
    path = source.media_file(sample)
    if path is None or path.stat().st_size > min(MEDIA_LIMIT, budget):
        return [named], {}, 0
    data = path.read_bytes()
    media_type = sniff(data[:16])
    if media_type not in _FORMATS or hashlib.sha256(data).hexdigest() != sha256:
        return [named], {}, 0
    assert media_type is not None
    key = sha256[:32]
    part: dict[str, Json] = {"type": kind, kind: f"attachment://{key}"}
    if kind != "image":
        part["format"] = _FORMATS[media_type]
    encoded = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return [named, part], {key: encoded}, 2 * len(encoded)


def _inline(
    content: str | list[dict[str, Json]], attachments: Mapping[str, str]
) -> str | list[dict[str, Json]]:
    """Put the media themselves into an output: inspect resolves attachments in messages alone."""
    if isinstance(content, str):
        return content
    return [
        {k: attachments.get(str(v).removeprefix("attachment://"), v) for k, v in part.items()}
        for part in content
    ]


def _summary(sample: Json) -> dict[str, Json]:
    text = "".join(part["text"] for part in sample["input"][0]["content"])
    summary = {key: sample[key] for key in ("id", "epoch", "target", "scores")}
    summary["input"] = text[:5000]
    summary["completed"] = True
    if "error" in sample:
        summary["error"] = sample["error"]["message"]
    return summary

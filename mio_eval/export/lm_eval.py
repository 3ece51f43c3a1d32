"""lm-eval's files: `results_*.json` and `samples_*.jsonl`, as version 0.4.13 names and fills them.

What lm-eval has no place for (intervals, signatures, failures) stands under `mio`, which its
readers pass over. A failed sample has a line without answer and without scores.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import __version__
from ..engine.journal import json_line
from ..jsonio import clean_text, write_atomic, write_json
from ..metrics.accuracy import VIA
from ..types import Json
from .source import ExportedSample, RunSource, standard_error

FILTER = "none"
_UNSAFE = re.compile(r"[\"<>:/|\\?*\[\]]+")  # what lm-eval replaces in a model's name


def export_lm_eval(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `OUT/MODEL/results_TIME.json`, and `samples_TASK_TIME.jsonl` for every task."""
    folder = out / (_UNSAFE.sub("__", source.model).strip(". ") or "model")
    folder.mkdir(parents=True, exist_ok=True)
    time = source.ended.replace(tzinfo=None).isoformat(timespec="microseconds").replace(":", "-")
    written = []
    hashes = {}
    for task in source.tasks:
        path = folder / f"samples_{source.facts(task)['directory']}_{time}.jsonl"
        digest = hashlib.sha256()
        write_atomic(path, _lines(source, task, digest))
        hashes[task] = digest.hexdigest()
        written.append(path)
    results = folder / f"results_{time}.json"
    write_json(results, {**_results(source), "task_hashes": hashes})
    return [results, *written]


def factor(score: Json) -> float:
    """Return what takes a score to lm-eval's scale: its own accuracy is a share, not ×100."""
    own = score["unit"] == "×100" and f"|via:{VIA}|" in score["signature"]
    return 0.01 if own else 1.0


def _results(source: RunSource) -> Json:
    data = source.data
    tasks = source.tasks
    options = data.get("options", {})
    config = source.config
    return {
        "results": {task: _task_results(source, task) for task in tasks},
        "group_subtasks": {task: [] for task in tasks},
        "configs": {task: _task_config(source, task) for task in tasks},
        "versions": {task: source.facts(task)["version"] for task in tasks},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {
            task: {m: score["higher_is_better"] for m, score in source.scores(task).items()}
            for task in tasks
        },
        "n-samples": {task: _counts(source, task) for task in tasks},
        "config": {
            "model": data["model"]["backend"],
            "model_args": config["options"].get("model_args", {}),
            "model_dtype": data["model"].get("dtype", ""),
            "model_revision": data["model"].get("revision", ""),
            "batch_size": str(options.get("batch_size") or ""),
            "batch_sizes": [],
            "device": None,
            "use_cache": None,
            "limit": options.get("limit"),
            "bootstrap_iters": 0,
            "gen_kwargs": None,
            "random_seed": data["seeds"]["generation"],
            "numpy_seed": data["seeds"]["generation"],
            "torch_seed": data["seeds"]["generation"],
            "fewshot_seed": data["seeds"]["generation"],
        },
        "git_hash": (data.get("git") or {}).get("commit"),
        "date": source.ended.timestamp(),
        "model_source": data["model"]["backend"],
        "model_name": source.model,
        "model_name_sanitized": _UNSAFE.sub("__", source.model),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": str(_seconds(source)),
        "mio": {
            "mio_eval": __version__,
            "run": source.name,
            "status": data["status"],
            "reason": data.get("reason"),
            "command": source.command,
            "scores": {
                task: {
                    m: {**score, "factor": factor(score)}
                    for m, score in source.scores(task).items()
                }
                for task in tasks
            },
            "groups": data.get("groups", {}),
            "data": {task: source.dataset(task) for task in tasks},
        },
    }


def _task_results(source: RunSource, task: str) -> Json:
    row: dict[str, Json] = {
        "name": task,
        "alias": source.label(task),
        "sample_len": _counts(source, task)["effective"],
    }
    for metric, score in source.scores(task).items():
        if score["value"] is None:
            continue  # no value is no score; `mio` says why
        scale = factor(score)
        error = standard_error(score)
        row[f"{metric},{FILTER}"] = float(score["value"]) * scale
        row[f"{metric}_stderr,{FILTER}"] = "N/A" if error is None else error * scale
    return row


def _counts(source: RunSource, task: str) -> dict[str, int]:
    data = source.dataset(task)
    failed = source.facts(task).get("n_failed", 0)
    return {"original": data.get("split_expected") or data["n"], "effective": data["n"] - failed}


def _task_config(source: RunSource, task: str) -> Json:
    facts = source.facts(task)
    kind = "multiple_choice" if any(m == "acc" for m in source.scores(task)) else "generate_until"
    return {
        "task": task,
        "dataset_path": source.dataset(task)["reader"],
        "test_split": facts["split"],
        "doc_to_text": facts["prompt"],
        "output_type": kind,
        "generation_kwargs": facts["generation"],
        "metric_list": [{"metric": metric} for metric in source.scores(task)],
        "num_fewshot": 0,
        "repeats": 1,
        "metadata": {"version": facts["version"], "prompt_style": facts["prompt_style"]},
    }


def _seconds(source: RunSource) -> float:
    timings = source.data.get("timings", {}).values()
    return float(
        sum(
            value
            for found in timings
            for name, value in found.items()
            if name in ("load", "generate", "annotate", "score") and isinstance(value, int | float)
        )
    )


def _lines(source: RunSource, task: str, digest: hashlib._Hash) -> Iterator[bytes]:
    scale = {metric: factor(score) for metric, score in source.scores(task).items()}
    generation = source.facts(task)["generation"]
    for number, sample in enumerate(source.samples(task)):
        line = _line(number, sample, generation, scale)
        digest.update((line["doc_hash"] + line["prompt_hash"] + line["target_hash"]).encode())
        yield json_line(line)


def _line(
    number: int, sample: ExportedSample, generation: Json, scale: Mapping[str, float]
) -> dict[str, Json]:
    record = sample.record
    references = sample.references
    target = references[0] if len(references) == 1 else str(references)
    doc = {
        "id": sample.id,
        "references": references,
        "cluster": record.get("cluster", ""),
        "meta": json.dumps(record.get("meta") or {}, sort_keys=True),  # one column type for all
    }
    answer = [] if not sample.ok else [sample.text if sample.media is None else sample.media[1]]
    return {
        "doc_id": number,
        "doc": doc,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": sample.prompt, "arg_1": generation}},
        "resps": [answer],
        "filtered_resps": answer,
        "filter": FILTER,
        "metrics": list(sample.scores),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(sample.prompt),
        "target_hash": _hash(target),
        **{metric: value * scale[metric] for metric, value in sample.scores.items()},
        "mio": {
            "status": record["status"],
            "error": sample.failure or None,
            "key": record.get("key"),
            "media": None if sample.media is None else sample.media[0],
            "sha256": None if sample.media is None else sample.media[2],
        },
    }


def _hash(text: str) -> str:
    return hashlib.sha256(clean_text(text).encode()).hexdigest()

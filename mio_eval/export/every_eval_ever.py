"""Every Eval Ever 0.3.0 (github.com/evaleval/every_eval_ever): a file a task, with its samples.

The schema of samples asks for a score and for right or wrong of every sample. So only samples with
a score have a line, and only by metrics that are right or wrong; nothing is made up for others.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from .. import __version__
from ..comparison.pairing import right_or_wrong
from ..engine.journal import json_line
from ..errors import UsageError, unknown
from ..jsonio import clean_text, dumps, file_sha256, write_atomic, write_json
from ..load import metric_of
from ..tasks import get_task
from ..types import Json
from .source import ExportedSample, RunSource, standard_error

SCHEMA_VERSION = "0.3.0"
_RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
_AVAILABILITY = ("open_weights", "closed_weights", "unknown")


def export_every_eval_ever(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `data/TASK/DEVELOPER/MODEL/UUID.json` and `UUID_samples.jsonl`.

    Settings: `organization` (who evaluated), `relationship` of it to the model, `model_id` as the
    hub names it, `availability` of the model.
    """
    relation = settings.get("relationship", "other")
    if relation not in _RELATIONSHIPS:
        raise unknown("relationship", relation, _RELATIONSHIPS)
    if settings.get("availability", "unknown") not in _AVAILABILITY:
        raise unknown("availability", settings["availability"], _AVAILABILITY)
    written = []
    for task in source.tasks:
        if any(score["value"] is not None for score in source.scores(task).values()):
            written += _export_task(source, task, out, settings)
    return written


def _export_task(
    source: RunSource, task: str, out: Path, settings: Mapping[str, str]
) -> list[Path]:
    model = settings.get("model_id") or source.model
    developer, name = _model_path(model)
    place = Path("data") / _component(source.label(task)) / developer / name
    folder = out / place
    folder.mkdir(parents=True, exist_ok=True)
    seed = hashlib.sha256(f"{source.name}/{task}".encode()).digest()[:16]
    identity = str(uuid.UUID(bytes=seed, version=4))  # the same run gives the same file
    path = folder / f"{identity}.json"
    record = _aggregate(source, task, model, settings)
    lines = [
        json_line(line)
        for metric, score in source.scores(task).items()
        if score["value"] is not None and _right_or_wrong(source, task, metric)
        for line in _instances(source, task, metric, record)
    ]
    written = [path]
    if lines:
        samples = folder / f"{identity}_samples.jsonl"
        write_atomic(samples, lines)
        record["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": (place / samples.name).as_posix(),
            "hash_algorithm": "sha256",
            "checksum": file_sha256(samples),
            "total_rows": len(lines),
        }
        written.append(samples)
    write_json(path, record)
    return written


def _aggregate(source: RunSource, task: str, model: str, settings: Mapping[str, str]) -> Json:
    data, identity = source.dataset(task), source.data["model"]
    stamp = f"{source.ended.timestamp():.0f}"
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{source.label(task)}/{model.replace('/', '_')}/{stamp}",
        "evaluation_timestamp": stamp,
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": "mio-eval",
            "source_type": "evaluation_run",
            "source_organization_name": settings.get("organization", "unknown"),
            "evaluator_relationship": settings.get("relationship", "other"),
            "additional_details": {"run": source.name, "data_mode": str(data["mode"])},
        },
        "eval_library": {"name": "mio-eval", "version": _version(source)},
        "model_info": {
            "name": source.model,
            "id": model,
            **({"developer": model.partition("/")[0]} if "/" in model else {}),
            "inference_engine": {"name": str(identity["backend"])},
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": settings.get("availability", "unknown"),
                "revision": str(identity.get("revision") or "unknown"),
                "dtype": str(identity.get("dtype") or "unknown"),
            },
        },
        "evaluation_results": [
            _result(source, task, metric, score)
            for metric, score in source.scores(task).items()
            if score["value"] is not None
        ],
    }


def _result(source: RunSource, task: str, metric: str, score: Json) -> Json:
    facts = source.facts(task)
    low, high = metric_of(source.data, task, metric).range
    uncertainty: dict[str, Json] = {"num_samples": score["n_scored"]}
    if score["ci_low"] is not None:
        error = standard_error(score)
        uncertainty |= {
            "standard_error": {"value": error, "method": "half-width of the interval"},
            "confidence_interval": {
                "lower": score["ci_low"],
                "upper": score["ci_high"],
                "confidence_level": score["confidence"],
                "method": "see the signature and docs of mio-eval: bootstrap over clusters",
            },
        }
    return {
        "evaluation_result_id": f"{task}/{metric}",
        "evaluation_name": source.label(task),
        "source_data": _source_data(source, task),
        "evaluation_timestamp": f"{source.ended.timestamp():.0f}",
        "metric_config": {
            "evaluation_description": f"{metric} of {task}",
            "metric_id": f"mio-eval.{metric}",
            "metric_name": metric,
            "metric_unit": _unit(score["unit"]),
            "metric_parameters": dict(facts["metrics"].get(metric, {})),
            "lower_is_better": not score["higher_is_better"],
            "score_type": "continuous",
            "min_score": _end(low),
            "max_score": _end(high),
            "additional_details": {"signature": score["signature"]},
        },
        "score_details": {
            "score": score["value"],
            "details": {
                "signature": score["signature"],
                "primary": str(bool(score["primary"])).lower(),
                **{n: str(score[n]) for n in ("n_expected", "n_scored", "n_failed")},
                **({"note": score["note"]} if score.get("note") else {}),
            },
            "uncertainty": uncertainty,
        },
        "generation_config": {
            "generation_args": {
                **_generation(facts["generation"]),
                "execution_command": " ".join(source.command),
                "prompt_template": facts["prompt"],
            },
            "additional_details": {
                "settings": dumps(facts["generation"]),
                "prompt_style": str(facts["prompt_style"]),
                "judges": dumps(facts.get("judges", {})),
            },
        },
    }


def _source_data(source: RunSource, task: str) -> Json:
    data = source.dataset(task)
    details = {
        k: str(data.get(k)) for k in ("mode", "reader", "revision", "split", "limit", "n", "sha256")
    }
    try:
        hub = get_task(task).file.dataset.hub
    except UsageError:
        hub = None
    if data["mode"] == "hub" and hub is not None:
        return {
            "dataset_name": source.label(task),
            "source_type": "hf_dataset",
            "hf_repo": hub.id,
            "hf_split": str(data["split"]),
            "samples_number": data["n"],
            "additional_details": details,
        }
    name = source.label(task)
    return {"dataset_name": name, "source_type": "other", "additional_details": details}


def _generation(settings: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name in ("temperature", "top_p", "top_k"):
        if isinstance(settings.get(name), int | float):
            found[name] = settings[name]
    if isinstance(settings.get("max_new_tokens"), int):
        found["max_tokens"] = settings["max_new_tokens"]
    return found


def _right_or_wrong(source: RunSource, task: str, metric: str) -> bool:
    """Tell whether a metric gives every sample its lowest or its highest value."""
    kind = metric_of(source.data, task, metric)
    rows = source.run.rows(task, metric)
    return rows is not None and right_or_wrong(kind, rows)


def _instances(source: RunSource, task: str, metric: str, record: Json) -> list[Json]:
    best = metric_of(source.data, task, metric).range[1]
    named = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": record["evaluation_id"],
        "model_id": record["model_info"]["id"],
        "evaluation_name": source.label(task),
        "evaluation_result_id": f"{task}/{metric}",
    }
    return [
        {**named, **_instance(sample, metric, best)}
        for sample in source.samples(task)
        if metric in sample.scores
    ]


def _instance(sample: ExportedSample, metric: str, best: float) -> dict[str, Json]:
    media = sample.media
    output = sample.text if media is None else media[1]
    hashed = clean_text(sample.prompt + "".join(sample.references)).encode()
    choices = (sample.record.get("meta") or {}).get("choices")
    return {
        "sample_id": sample.id,
        "sample_hash": hashlib.sha256(hashed).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": sample.prompt,
            "reference": sample.references,
            "choices": [str(c) for c in choices] if isinstance(choices, list) else None,
        },
        "output": {"raw": [output or ""]},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": output or "",
                "extraction_method": "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": sample.scores[metric], "is_correct": sample.scores[metric] == best},
        "error": None,
    }


def _version(source: RunSource) -> str:
    return str(source.data.get("packages", {}).get("mio-eval") or __version__)


def _unit(unit: str) -> str:
    return {"×100": "percent", "%": "percent", "": "points"}.get(unit, unit)


def _end(value: float) -> float | str:
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _model_path(model: str) -> tuple[str, str]:
    developer, slash, name = model.partition("/")
    return (
        (_component(developer), _component(name)) if slash else ("unknown", _component(developer))
    )


def _component(text: str) -> str:
    """Return one folder name of the datastore: `/` flattened, nothing a file system refuses."""
    found = re.sub(r'[/<>:"\\|?*\x00-\x1f]+', "_", text).strip(". ")
    return found if found and found != "data" else f"_{found}"

"""Results as lm-eval and lmms-eval write them.

lm-eval's files are written by its own `EvaluationTracker`. lmms-eval (v0.7, commit 75571cfe) cannot
be installed here; its names and keys are those of its `evaluation_tracker.py` and `evaluator.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

RIGHT = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]


def write_lm_eval(
    folder: Path,
    values: Mapping[str, Sequence[float]],
    *,
    metric: str = "acc",
    chosen: str = "none",
    groups: Mapping[str, Sequence[str]] | None = None,
    reported: Mapping[str, float] | None = None,
    samples: bool = True,
) -> Path:
    """Write what lm-eval would of tasks with these values of their samples."""
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.utils import hash_string

    key = f"{metric},{chosen}"
    means = {task: sum(v) / len(v) for task, v in values.items()} | dict(reported or {})
    results = {
        task: {"alias": task, key: mean, f"{metric}_stderr,{chosen}": 0.1}
        for task, mean in means.items()
    }
    content = {
        "results": results,
        "group_subtasks": dict(groups or {task: [] for task in values}),
        "configs": {task: {"task": task, "test_split": "test"} for task in values},
        "versions": dict.fromkeys(means, 1.0),
        "n-shot": dict.fromkeys(means, 0),
        "higher_is_better": {task: {metric: True} for task in means},
        "n-samples": {t: {"original": 100, "effective": len(v)} for t, v in values.items()},
        "config": {"model": "hf", "model_args": "pretrained=org/m", "limit": None},
        "lm_eval_version": "0.4.13",
    }
    lines = {
        task: [
            {
                "doc_id": i,
                "doc": {"question": f"q{i}", "name": f"n{i}"},
                "target": 0,
                "arguments": [("q", " a")],
                "resps": [[("-1.0", "True")]],
                "filtered_resps": [("-1.0", "True")],
                "filter": chosen,
                "metrics": [metric],
                "doc_hash": hash_string(f"{task}{i}"),
                "prompt_hash": hash_string("q"),
                "target_hash": hash_string("0"),
                metric: value,
            }
            for i, value in enumerate(v)
        ]
        for task, v in values.items()
    }
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.model_name = "org/m"
    tracker.general_config_tracker.model_name_sanitized = "org__m"
    tracker.save_results_aggregated(content, lines if samples else None)
    for task, found in lines.items():
        if samples:
            tracker.save_results_samples(task, found)
    (path,) = folder.rglob("results_*.json")
    return path


def write_lmms_eval(
    folder: Path, task: str, metrics: Mapping[str, tuple[float, Sequence[object]]]
) -> Path:
    """Write results: metric → (reported value, value of every sample)."""
    place = folder / "org__m"
    place.mkdir(parents=True)
    row: dict[str, object] = {"alias": task}
    for metric, (value, _) in metrics.items():
        row |= {
            f"{metric},none": value,
            f"{metric}_stderr,none": "N/A",
            f"{metric}_stderr_clt,none": 0.5,
            f"{metric}_stderr_clustered,none": "N/A",
        }
    count = len(next(iter(metrics.values()))[1])
    content = {
        "results": {task: row},
        "group_subtasks": {task: []},
        "configs": {task: {"task": task, "dataset_path": "org/data", "test_split": "test"}},
        "versions": {task: "Yaml"},
        "n-shot": {task: 0},
        "higher_is_better": {task: {metric: metric != "wer" for metric in metrics}},
        "n-samples": {task: {"original": 50, "effective": count}},
        "config": {"model": "qwen", "model_args": "pretrained=org/m", "limit": None},
        "git_hash": "75571cfe",
        "lmms_eval_version": "0.7.0",
        "model_name": "org/m",
    }
    (place / "20260806_102200_results.json").write_text(json.dumps(content))
    lines = [
        {
            "doc_id": i,
            "target": "a",
            "filtered_resps": "a",
            "doc_hash": f"h{i}",
            "input": "q",
            **{metric: values[i] for metric, (_, values) in metrics.items()},
        }
        for i in range(count)
    ]
    path = place / f"20260806_102200_samples_{task}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place

"""Runs lm-eval's `dummy` model over N text requests; prints one JSON line.

The same utterances as text: a prompt of one reference, `generate_until`, exact match. `keep` turns
on lm-eval's response cache, the nearest it has to mio-eval's journal and cache.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from result import Clock, report


def main(folder: Path, keep: bool) -> None:
    """Measure one run over `requests.jsonl` in a folder."""
    logging.disable(logging.WARNING)
    task = {
        "task": "bench_text",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(folder / "requests.jsonl")},
            "cache_dir": str(folder / "datasets"),
        },
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "Transcribe: {{text}}\n",
        "doc_to_target": "{{text}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 256},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean"}],
    }
    # Without the index of lm-eval's own thousands of tasks, whose making outweighs the requests.
    manager = TaskManager(include_defaults=False)
    # Nor the seconds that its first call takes to import its parts.
    simple_evaluate(model="dummy", tasks=[task], limit=1, task_manager=manager)
    clock = Clock()
    result = simple_evaluate(
        model="dummy",
        tasks=[task],
        use_cache=str(folder / "responses") if keep else None,
        log_samples=True,
        task_manager=manager,
    )
    times = clock.read()
    assert result is not None
    count = len(result["samples"]["bench_text"])
    report(**times, n=count, value=json.dumps(result["results"]["bench_text"], default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), keep=sys.argv[2:] == ["keep"])

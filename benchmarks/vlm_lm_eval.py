"""Runs lm-eval's `hf-multimodal` over the same questions and weights; prints one JSON line.

The whole of `simple_evaluate` is measured, loading the weights included; imports and the index of
lm-eval's own tasks are made before.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import PIL.Image
from result import Clock, report
from vlm_data import NEW_TOKENS, PROMPT

from mio_eval.compat import import_torchvision


def main(folder: Path, batch: int) -> None:
    """Measure one run over `questions.jsonl` in a folder."""
    logging.disable(logging.WARNING)
    import_torchvision()  # before transformers
    names = ("transformers.models.llava.modeling_llava", "transformers.models.clip")
    for name in (*names, "lm_eval.models.hf_vlms"):
        importlib.import_module(name)
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    def images(line: dict[str, Any]) -> list[PIL.Image.Image]:
        return [PIL.Image.open(line["image"]).convert("RGB")]

    task = {
        "task": "bench_images",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(folder / "questions.jsonl")},
            "cache_dir": str(folder / "datasets"),
        },
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_image": images,
        "doc_to_text": "<image>" + PROMPT.format("{{question}}"),
        "doc_to_target": "yes",
        "generation_kwargs": {
            "until": ["</s>"],
            "max_gen_toks": NEW_TOKENS,
            "min_new_tokens": NEW_TOKENS,
            "do_sample": False,
        },
        "metric_list": [{"metric": "exact_match", "aggregation": "mean"}],
    }
    manager = TaskManager(include_defaults=False)
    clock = Clock()
    result = simple_evaluate(
        model="hf-multimodal",
        model_args={"pretrained": str(folder / "model"), "dtype": "float32"},
        tasks=[task],
        batch_size=batch,
        device="cpu",
        log_samples=True,
        task_manager=manager,
    )
    times = clock.read()
    assert result is not None
    texts = {
        line["doc"]["id"]: line["resps"][0][0].strip() for line in result["samples"]["bench_images"]
    }
    prompts = [line["arguments"][0][0] for line in result["samples"]["bench_images"]]
    report(**times, n=len(texts), texts=texts, prompt=prompts[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

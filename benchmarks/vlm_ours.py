"""Runs the `hf` backend over questions about photographs; prints one JSON line.

The whole of `evaluate` is measured, loading the weights included; imports are done before.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

from result import Clock, report

from mio_eval.compat import import_torchvision
from mio_eval.engine import Options, evaluate


def main(folder: Path, runs: Path, batch: str) -> None:
    """Measure one run with a batch size."""
    import_torchvision()  # before transformers
    for name in ("transformers.models.llava.modeling_llava", "transformers.models.clip"):
        importlib.import_module(name)
    os.environ["MIO_EVAL_TASKS"] = str(Path(__file__).parent / "tasks")
    options = Options(
        tasks=("bench_images",),
        model="hf",
        model_args={"pretrained": str(folder / "model"), "device": "cpu"},
        data="local",
        data_dir=str(folder / "data"),
        batch_size=int(batch),
        cache=False,
        out=str(runs),
    )
    clock = Clock()
    result = evaluate(options)
    times = clock.read()
    assert not result.failed
    lines = (Path(result.path) / "bench_images" / "samples.jsonl").read_text().splitlines()
    rows = {row["id"]: row["output"]["text"] for row in map(json.loads, lines)}
    report(**times, n=len(rows), texts=rows, timings=result.data["timings"]["bench_images"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

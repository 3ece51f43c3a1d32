"""Runs to report on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import captions_of, write_coco, write_jsonl, write_librispeech

from mio_eval.engine import Options, evaluate


@pytest.fixture
def run_of(tmp_path, monkeypatch):
    """Run predictions through a task and return (run directory, content of run.json)."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no Java: METEOR is slow, and tested elsewhere
    monkeypatch.delenv("MIO_EVAL_TASKS", raising=False)
    folder = tmp_path / "data"
    write_coco(folder)
    write_librispeech(folder)
    texts = {str(1000 + i): captions_of(i)[i % 3] for i in range(12)}
    texts |= {f"{100 + i // 4}-7-{i % 4:04d}": "one two" for i in range(12)}

    def run(task="librispeech", *, name="", drop=0, file="p.jsonl", **options):
        sample = options.get("data") == "sample"
        ids = [i for i in texts if ("-" in i) == task.startswith("librispeech")]
        lines = [{"id": i, "text": texts[i]} for i in ids[: len(ids) - drop]]
        path = write_jsonl(tmp_path / file, [] if sample else lines)
        arguments = {"path": str(path)} | ({"name": name} if name else {})
        result = evaluate(
            Options(
                tasks=(task,),
                model="predictions",
                model_args=arguments,
                data_dir=None if sample else str(folder),
                out=str(tmp_path / "runs"),
                allow_partial=bool(drop) or sample,
                **options,
            )
        )
        return result.path, json.loads((Path(result.path) / "run.json").read_text())

    return run

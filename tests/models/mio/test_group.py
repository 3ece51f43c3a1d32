"""Every task of the `mio` group end to end, with the whole system at a small size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models.mio.release import write_release

from mio_eval.engine import Options, evaluate
from mio_eval.tasks import get_tasks

KINDS = ("text", "image", "audio")


@pytest.mark.starter  # the judges of generated speech and images
def test_every_task_of_the_paper_ends_with_scores(tmp_path: Path) -> None:
    release = write_release(tmp_path / "MIO-tiny-Instruct")
    result = evaluate(
        Options(
            tasks=("mio",),
            model="mio",
            model_args={"pretrained": str(release), "steps": "2"},
            data="sample",
            limit=5,  # the fewest among which a VizWiz question cannot be answered
            judges=("asr=starter", "speaker=starter", "clip=none", "aesthetic=none"),
            out=str(tmp_path / "runs"),
        )
    )
    assert not result.failed
    tasks = get_tasks(["mio"])
    assert set(result.scores) == {task.name for task in tasks}
    for task in tasks:
        lines = (Path(result.path) / task.name / "samples.jsonl").read_text().splitlines()
        kinds = {kind for line in lines for kind in json.loads(line)["output"] if kind in KINDS}
        assert task.name == "mmlu" or kinds == {task.file.output}, task.name
        assert lines
    for name, scores in result.scores.items():
        assert scores, name
        for metric, score in scores.items():
            assert score["n_failed"] == 0, (name, metric)
            assert score["value"] is not None, (name, metric)

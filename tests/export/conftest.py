"""Runs to export."""

from __future__ import annotations

import json

import pytest
from conftest import captions_of, write_jsonl
from prediction_runs import COCO_IDS, Runs, transcript
from runs_fixture import runs

__all__ = ["runs"]

HOSTILE = '=cmd|"/C calc"!A0 <script>alert(1)</script> ]]> \x07\x1b[31m \u202e end'


@pytest.fixture(scope="module")
def module_runs(tmp_path_factory):
    """Make runs once a test file."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runs")
        patch.setenv("PATH", str(folder))  # no Java
        patch.delenv("MIO_EVAL_TASKS", raising=False)
        yield Runs(folder)


@pytest.fixture(scope="module")
def speech(module_runs):
    """A run of speech recognition: nine samples answered, one of them hostile, three failed."""
    return module_runs(change={"100-7-0000": HOSTILE}, drop=3, name="org/speech model")


@pytest.fixture(scope="module")
def whole(module_runs):
    """Two tasks, without failures."""
    return module_runs("coco_caption,librispeech", name="captions", change={"1001": "a dog"})


@pytest.fixture(scope="module")
def failed(module_runs):
    """A run with more failures than it was allowed."""
    return module_runs(drop=3, name="failed", max_failures="0")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A run directory whose outputs are images, written by hand: one of them leads elsewhere."""
    import hashlib
    import io

    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures") / "20260101-000000-painter-0000"
    (folder / "media").mkdir(parents=True)
    (folder / "t2i").mkdir()
    (folder.parent / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    (folder / "media" / f"{sha256}.png").write_bytes(buffer.getvalue())
    outside = hashlib.sha256((folder.parent / "secret.png").read_bytes()).hexdigest()

    def line(name, place, digest):
        return {
            "id": name,
            "key": "k",
            "status": "ok",
            "prompt": [{"text": "Draw."}],
            "output": {"image": place, "sha256": digest},
            "error": None,
            "timing": {"seconds": 1.0},
            "references": ["a red square"],
            "cluster": name,
            "content": "c",
            "meta": {},
        }

    write_jsonl(
        folder / "t2i" / "samples.jsonl",
        [
            line("in", f"media/{sha256}.png", sha256),
            line("out", "../secret.png", outside),
            line("changed", f"media/{sha256}.png", "0" * 64),
        ],
    )
    write_jsonl(
        folder / "t2i" / "stats.jsonl",
        [
            {"id": i, "cluster": i, "stats": {"ssim": [0.5, 1.0]}, "scores": {"ssim": 0.5}}
            for i in ("in", "out", "changed")
        ],
    )
    score = {
        "value": 0.5,
        "ci_low": None,
        "ci_high": None,
        "confidence": 0.95,
        "n_expected": 3,
        "n_scored": 3,
        "n_failed": 0,
        "unit": "",
        "higher_is_better": True,
        "signature": "ssim|n:3|v:0.1.0",
        "primary": True,
        "note": "",
    }
    run = {
        "schema_version": 1,
        "status": "complete",
        "reason": None,
        "command": ["mio-eval", "run", "--model-args", "api_key=sk-abcdefgh12345678"],
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:00+00:00",
        "options": {"limit": None, "model_args": {"token": "hf_abcdefgh1234", "path": "p"}},
        "model": {"backend": "x", "name": "painter", "version": "1", "revision": "", "dtype": ""},
        "tasks": {
            "t2i": {
                "version": 1,
                "sha256": "0",
                "directory": "t2i",
                "split": "test",
                "output": "image",
                "prompt_style": "plain",
                "prompt": "Draw.",
                "separator": "",
                "generation": {},
                "metrics": {"ssim": {}},
                "primary": "ssim",
                "judges": {},
                "absent": {},
                "n_failed": 0,
            }
        },
        "data": {
            "t2i": {
                "mode": "local",
                "reader": "jsonl",
                "revision": "",
                "split": "test",
                "split_expected": 3,
                "limit": None,
                "n": 3,
                "sha256": "0",
            }
        },
        "seeds": {"generation": 0, "bootstrap": 12345},
        "packages": {"mio-eval": "0.1.0"},
        "git": None,
        "timings": {},
        "results": {"t2i": {"ssim": score}},
        "files": {},
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder


__all__ += ["COCO_IDS", "captions_of", "transcript"]

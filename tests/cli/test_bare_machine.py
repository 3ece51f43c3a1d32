"""`doctor` on a machine with nothing extra installed says what is missing, and how to get it."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

import pytest

EXTRA = (
    *("PIL", "soundfile", "soxr", "transformers", "datasets", "pycocoevalcap"),
    *("faster_whisper", "torch", "huggingface_hub"),
)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    for name in [m for m in sys.modules if m.partition(".")[0] in EXTRA]:
        monkeypatch.delitem(sys.modules, name)
    find = PathFinder.find_spec

    def hidden(name, path=None, target=None):
        return None if name.partition(".")[0] in EXTRA else find(name, path, target)

    monkeypatch.setattr(PathFinder, "find_spec", hidden)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MIO_EVAL_CACHE", str(tmp_path / "cache"))


def test_doctor(invoke, bare):
    ended = invoke("doctor", "--data-dir", "nowhere")
    assert ended.code == 0, ended
    for line in (
        "  image: missing PIL (pip install 'mio-eval[image]')",
        "  speech: missing soundfile, soxr, transformers (pip install 'mio-eval[speech]')",
        "  hub: missing datasets (pip install 'mio-eval[hub]')",
        "  caption: missing pycocoevalcap (pip install 'mio-eval[caption]')",
        "  accelerator: none found",
        "  Java: not found (only METEOR, SPICE and tokenizer=java need it)",
        "  coco_caption: data bundled sample, hub",
        "  librispeech: data bundled sample, hub",
        "  data: nowhere",
    ):
        assert line in ended.out.splitlines()
    assert "starter: missing faster_whisper, torch, PIL, " in ended.out
    assert "(empty)" in ended.out  # the cache
    assert "whisper-tiny.en: fetched on first use, 71 MB" in ended.out
    assert "    meteor absent: " in ended.out
    assert "    spice absent: " in ended.out
    assert "    cider absent" not in ended.out


def test_doctor_finds_what_is_there(invoke, data_dir):
    ended = invoke("doctor", "--data-dir", data_dir)
    assert "  image: installed\n" in ended.out
    assert "  hub: installed\n" in ended.out
    assert "  coco_caption: data on disk, bundled sample, hub\n" in ended.out
    assert "  predictions\n  starter\n" in ended.out


def test_doctor_shows_a_broken_task(invoke, monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "broken.yaml").write_text("name: broken\n")
    monkeypatch.setenv("MIO_EVAL_TASKS", str(folder))
    ended = invoke("doctor")
    assert ended.code == 0
    assert f"  broken: {folder}/broken.yaml: version: is missing; add it" in ended.out
    assert "  librispeech: data " in ended.out


@pytest.mark.parametrize(
    ("metric", "missing"),
    [("meteor", "Java"), ("spice", "Java")],
)
def test_metric_that_cannot_run_says_why(invoke, bare, captions, references, metric, missing):
    ended = invoke("metric", metric, "--predictions", captions, "--references", references)
    assert ended.message.startswith(f"mio-eval: metric {metric} cannot run here: ")
    assert missing in ended.message
    assert ended.code == 2


def test_captions_are_scored_all_the_same(invoke, bare, captions, references):
    ended = invoke("metric", "cider", "--predictions", captions, "--references", references)
    assert (ended.code, ended.out[:12]) == (0, "cider 498.15")


def test_run_of_predictions_needs_nothing_extra(invoke, data_dir, bare, captions):
    ended = invoke(
        *("run", "--tasks", "coco_caption", "--data-dir", data_dir),
        *("--model", "predictions", "--model-args", f"path={captions}"),
    )
    assert ended.code == 0, ended
    assert "absent: meteor: " in ended.out


def test_java_tokenizer_without_java(invoke, bare, captions, references):
    ended = invoke(
        *("metric", "cider", "--predictions", captions, "--references", references),
        *("--set", "tokenizer=java"),
    )
    assert "Java" in ended.message
    assert "tokenizer=ptb" in ended.message
    assert ended.code == 2

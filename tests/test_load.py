"""The Python API: frames of a run, lazy imports, typed results."""

from __future__ import annotations

import importlib
import sys

import pytest
from prediction_runs import SPEECH_IDS
from runs_fixture import runs  # noqa: F401

import mio_eval
from mio_eval.errors import UsageError


@pytest.fixture
def run(runs):  # noqa: F811
    return runs("coco_caption,librispeech", change={SPEECH_IDS[0]: "no"}, drop=2, name="a")


def test_scores(run):
    loaded = mio_eval.load_run(run)
    assert loaded.tasks == ["coco_caption", "librispeech"]
    assert loaded.model == "a"
    frame = loaded.scores.set_index(["task", "metric"])
    for task, metrics in loaded.data["results"].items():
        for metric, score in metrics.items():
            assert frame.loc[(task, metric), "value"] == score["value"]
            assert frame.loc[(task, metric), "n_failed"] == score["n_failed"] == 2


def test_samples(run):
    frame = mio_eval.load_run(run).samples
    assert len(frame) == 24
    assert (frame["status"] == "failed").sum() == 4
    one = frame[frame["id"] == SPEECH_IDS[0]].iloc[0]
    assert (one["text"], one["wer"], one["task"]) == ("no", 100.0, "librispeech")
    assert frame[frame["status"] == "failed"]["error"].str.contains("no prediction").all()
    assert frame[frame["task"] == "coco_caption"]["cider"].notna().sum() == 10


def test_statistics_give_the_score_again(run):
    loaded = mio_eval.load_run(run)
    frame = loaded.statistics
    sums = frame[frame["metric"] == "wer"].groupby("column")["value"].sum()
    names = ["substitutions", "deletions", "insertions"]
    words = [name for name in sums.index if name not in names]
    assert len(words) == 1
    wer = 100 * sums[names].sum() / sums[words[0]]
    assert wer == pytest.approx(loaded.data["results"]["librispeech"]["wer"]["value"])


def test_without_pandas(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    loaded = mio_eval.load_run(run)
    with pytest.raises(UsageError, match=r'pip install "mio-eval\[pandas\]"'):
        _ = loaded.scores
    assert len(loaded.rows("librispeech", "wer").ids) == 10


def test_no_run(tmp_path):
    with pytest.raises(UsageError, match="is not a run directory"):
        mio_eval.load_run(tmp_path)


def test_damaged_statistics(run):
    path = run / "librispeech" / "stats.jsonl"
    text = path.read_text()
    for damaged in (text + text, text.replace('"cluster"', '"clutser"')):
        path.write_text(damaged)
        with pytest.raises(UsageError, match=r"stats\.jsonl is damaged"):
            mio_eval.load_run(run).rows("librispeech", "wer")


def test_public_names():
    for name in mio_eval.__all__:
        assert getattr(mio_eval, name) is not None
        assert name in dir(mio_eval)
    with pytest.raises(AttributeError, match="nothing"):
        _ = mio_eval.nothing
    # A module of a function's name would take its place as soon as it is imported.
    for name in ("comparison", "gating", "power", "load"):
        importlib.import_module(f"mio_eval.{name}")
    assert callable(mio_eval.compare)
    assert callable(mio_eval.gate)
    assert callable(mio_eval.score)


def test_score_again(run):
    before = mio_eval.load_run(run).data["results"]
    assert mio_eval.score(run)["results"] == before

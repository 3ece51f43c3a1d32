"""Model cards and `.eval_results`, read back by huggingface_hub's own classes."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from mio_eval import load_run
from mio_eval.errors import RunError, UsageError
from mio_eval.export import export_run

hub = pytest.importorskip("huggingface_hub")


def test_model_card(whole, tmp_path):
    paths = export_run(whole, "hf", tmp_path, {"source_url": "https://example.org/run"})
    card = hub.ModelCard.load(tmp_path / "README.md")
    assert card.data.model_name == "captions"
    data = load_run(whole).data["results"]
    found = {(r.task_name, r.metric_type): r for r in card.data.eval_results}
    assert len(found) == sum(len(scores) for scores in data.values())
    wer = found["Speech recognition, LibriSpeech", "wer"]
    own = data["librispeech"]["wer"]
    assert wer.task_type == "automatic-speech-recognition"
    assert wer.metric_value == own["value"]
    assert wer.metric_args["ci_low"] == own["ci_low"]
    assert wer.metric_args["ci_high"] == own["ci_high"]
    assert wer.metric_args["signature"] == own["signature"]
    assert wer.metric_args["n_failed"] == 0
    assert wer.source_url == "https://example.org/run"
    assert not wer.verified
    assert paths == [tmp_path / "README.md"], "a dozen samples are no official split"


def test_metadata_update_takes_it(whole, tmp_path, monkeypatch):
    """`metadata_update` merges the card into a model's own, here a file instead of the hub's."""
    export_run(whole, "hf", tmp_path)
    written = hub.ModelCard((tmp_path / "README.md").read_text())
    model_index = written.data.to_dict()
    existing = hub.ModelCard("---\nlicense: mit\n---\n# A model\n")
    pushed = []
    monkeypatch.setattr(hub.ModelCard, "load", lambda *_, **__: existing)
    monkeypatch.setattr(
        hub.ModelCard, "push_to_hub", lambda self, *_, **__: pushed.append(str(self))
    )
    hub.metadata_update("org/model", {"model-index": model_index["model-index"]})
    merged = hub.ModelCard(pushed[0])
    assert merged.data.license == "mit"
    own = hub.ModelCard.load(tmp_path / "README.md").data.eval_results
    values = {(r.task_name, r.metric_type): r.metric_value for r in merged.data.eval_results}
    assert values == {(r.task_name, r.metric_type): r.metric_value for r in own}


def test_eval_results_of_a_whole_official_split(whole, tmp_path):
    """The same run as if it had been on the whole split, read from the hub."""
    run = tmp_path / "whole"
    shutil.copytree(whole, run)
    data = json.loads((run / "run.json").read_text())
    data["data"]["librispeech"] |= {"mode": "hub", "split_expected": 12, "revision": "a" * 40}
    (run / "run.json").write_text(json.dumps(data))
    paths = export_run(run, "hf", tmp_path / "out", {"task_id.librispeech": "asr"})
    assert paths[1] == tmp_path / "out" / ".eval_results" / "librispeech.yaml"
    content = yaml.safe_load(paths[1].read_text())
    (entry,) = _parse(content)
    assert entry.dataset_id == "openslr/librispeech_asr"
    assert entry.task_id == "asr"
    assert entry.dataset_revision == "a" * 40
    own = data["results"]["librispeech"]["wer"]
    assert entry.value == own["value"]
    assert own["signature"] in entry.notes
    assert "12 of 12 scored, 0 failed" in entry.notes


def _parse(content):
    from huggingface_hub._eval_results import parse_eval_result_entries

    return parse_eval_result_entries(content)


def test_card_of_a_model_with_a_hostile_name(whole, tmp_path):
    run = tmp_path / "hostile"
    shutil.copytree(whole, run)
    data = json.loads((run / "run.json").read_text())
    data["model"]["name"] = "x\n---\n# <script>alert(1)</script>: [a](javascript:b)"
    (run / "run.json").write_text(json.dumps(data))
    export_run(run, "hf", tmp_path / "out")
    card = hub.ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.model_name == data["model"]["name"]
    assert card.text.strip() == ""


def test_only_complete_runs_are_published(failed, tmp_path):
    with pytest.raises(RunError, match="status is failed"):
        export_run(failed, "hf", tmp_path)


def test_name_of_a_source_needs_its_address(whole, tmp_path):
    with pytest.raises(UsageError, match="source_url"):
        export_run(whole, "hf", tmp_path, {"source_name": "us"})


def test_sample_data_are_named(whole, tmp_path):
    """No part of a data set passes for the data set, in any format that is published."""
    run = tmp_path / "sample"
    shutil.copytree(whole, run)
    data = json.loads((run / "run.json").read_text())
    data["data"]["librispeech"] |= {"mode": "sample", "limit": 12, "split_expected": 12}
    (run / "run.json").write_text(json.dumps(data))
    paths = export_run(run, "hf", tmp_path / "hf")
    assert len(paths) == 1
    found = hub.ModelCard.load(paths[0]).data.eval_results
    (kind,) = {(r.dataset_type, r.dataset_name) for r in found if r.metric_type == "wer"}
    assert kind[0] == "mio-eval-sample-data"
    assert "bundled sample data, first 12" in kind[1]
    paths = export_run(run, "every-eval-ever", tmp_path / "eee")
    records = [json.loads(path.read_text()) for path in paths]
    names = [r["evaluation_results"][0]["evaluation_name"] for r in records]
    assert "librispeech (sample data) (first 12)" in names
    results = json.loads(export_run(run, "lm-eval", tmp_path / "lm")[0].read_text())
    assert "sample data" in results["results"]["librispeech"]["alias"]


def test_incomplete_data_are_named(whole, tmp_path):
    """A dozen of 2,620 samples without --limit: what is at hand is not the split either."""
    results = json.loads(export_run(whole, "lm-eval", tmp_path / "lm")[0].read_text())
    assert results["results"]["librispeech"]["alias"] == "librispeech (12 of 2620 samples)"
    card = hub.ModelCard.load(export_run(whole, "hf", tmp_path / "hf")[0])
    names = {r.dataset_name for r in card.data.eval_results if r.metric_type == "wer"}
    assert {name.rpartition("(")[2] for name in names} == {"test-clean, 12 of 2620 samples)"}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["results"]["librispeech"]["wer"].update(n_failed=1, n_scored=11),
        lambda d: d["data"]["librispeech"].update(split="train-clean-100"),
        lambda d: d["tasks"]["librispeech"]["metrics"]["wer"].update(norm="none"),
        lambda d: d["results"]["librispeech"]["cer"].update(n_failed=1, n_scored=11),
    ],
    ids=["failures", "split", "settings", "another"],
)
def test_flagged_scores_go_to_no_leaderboard(whole, tmp_path, change, request):
    run = tmp_path / "whole"
    shutil.copytree(whole, run)
    data = json.loads((run / "run.json").read_text())
    data["data"]["librispeech"] |= {"mode": "hub", "split_expected": 12, "revision": "a" * 40}
    change(data)
    (run / "run.json").write_text(json.dumps(data))
    paths = export_run(run, "hf", tmp_path / "out")
    # Failures of another metric are no flag of this score.
    assert len(paths) == (2 if request.node.callspec.id == "another" else 1)

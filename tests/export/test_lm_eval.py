"""Exported files are what lm-eval writes: compared with its own tracker, read by its own code."""

from __future__ import annotations

import copy
import json
import logging
import math

import pytest

from mio_eval import load_run
from mio_eval.export import export_run

lm_eval = pytest.importorskip("lm_eval")


@pytest.fixture(scope="module")
def exported(speech, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    results, samples = export_run(speech, "lm-eval", out)
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    return results, samples, json.loads(results.read_text()), lines


def test_lm_evals_table_shows_the_scores(exported, speech):
    from lm_eval.utils import make_table

    _, _, content, _ = exported
    before = copy.deepcopy(content)
    table = make_table(content)
    assert content == before
    score = load_run(speech).data["results"]["librispeech"]["wer"]
    line = next(row for row in table.splitlines() if "wer " in row)
    assert f"{score['value']:.4f}" in line
    assert "↓" in line, "an error rate: lower is better"
    assert line.split("|")[-2].strip().replace(".", "").isdigit(), "a standard error"


def test_lm_eval_finds_the_files_by_name(exported):
    from lm_eval.utils import (
        get_file_datetime,
        get_file_task_name,
        get_results_filenames,
        get_sample_results_filenames,
        sanitize_model_name,
    )

    results, samples, content, _ = exported
    names = [str(results), str(samples)]
    assert get_results_filenames(names) == [str(results)]
    assert get_sample_results_filenames(names) == [str(samples)]
    assert get_file_task_name(samples.name) == "librispeech"
    time = get_file_datetime(samples.name)
    assert time == get_file_datetime(results.name.replace(".json", ".jsonl"))
    assert results.parent.name == sanitize_model_name(content["model_name"])


def test_same_bytes_of_samples_as_lm_evals_own_tracker(exported, tmp_path):
    """lm-eval's tracker, given our samples as it holds them, writes our lines and task hashes."""
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.utils import hash_string

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    _, _, content, lines = exported
    held = []
    for line in lines:
        sample = copy.deepcopy(line)
        sample["arguments"] = [tuple(a.values()) for a in line["arguments"].values()]
        assert sample["doc_hash"] == hash_string(
            json.dumps(sample["doc"], indent=2, ensure_ascii=False)
        )
        assert sample["prompt_hash"] == hash_string(sample["arguments"][0][0])
        assert sample["target_hash"] == hash_string(str(sample["target"]))
        held.append(sample)
    tracker = EvaluationTracker(output_path=str(tmp_path))
    tracker.general_config_tracker.model_name_sanitized = content["model_name_sanitized"]
    tracker.save_results_aggregated({"results": {}}, {"librispeech": copy.deepcopy(held)})
    tracker.save_results_samples("librispeech", held)
    (theirs,) = tmp_path.rglob("samples_*.jsonl")
    assert [json.loads(line) for line in theirs.read_text().splitlines()] == lines
    (results,) = tmp_path.rglob("results_*.json")
    assert json.loads(results.read_text())["task_hashes"] == content["task_hashes"]


def test_keys_are_those_of_lm_evals_schema(exported):
    from lm_eval.result_schema import EvalResults, SampleResult, _EvalConfig

    _, _, content, lines = exported
    assert set(content) - {"mio"} <= set(EvalResults.__annotations__)
    assert set(content["config"]) <= set(_EvalConfig.__annotations__)
    metrics = {"wer", "wer_utt_mean", "cer"}
    for line in lines:
        assert set(line) - {"mio"} - metrics == set(SampleResult.__annotations__)


def test_failed_samples_have_no_score(exported, speech):
    _, _, content, lines = exported
    failed = [line for line in lines if line["mio"]["status"] == "failed"]
    assert len(lines) == 12
    assert len(failed) == 3
    for line in failed:
        assert line["resps"] == [[]]
        assert line["metrics"] == []
        assert "wer" not in line
        assert line["mio"]["error"]
    counts = content["n-samples"]["librispeech"]
    assert counts["effective"] == content["results"]["librispeech"]["sample_len"] == 9
    scores = load_run(speech).data["results"]["librispeech"]
    for metric, score in content["mio"]["scores"]["librispeech"].items():
        assert score.pop("factor") == 1.0
        assert score == scores[metric]
        assert score["n_failed"] == 3


def test_datasets_reads_the_samples(exported, tmp_path):
    """As the hub's viewer and lm-eval's own card do."""
    from datasets import load_dataset

    _, samples, _, lines = exported
    table = load_dataset(
        "json", data_files=str(samples), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert table["doc_id"] == list(range(12))
    missing = [line["mio"]["status"] == "failed" for line in lines]
    assert [value is None for value in table["wer"]] == missing


def test_accuracy_through_lm_eval_has_its_scale():
    from mio_eval.export.lm_eval import factor
    from mio_eval.metrics import get_metric

    own = {"unit": "×100", "signature": get_metric("acc").signature(5)}
    assert factor(own) == 0.01
    assert factor(own | {"signature": get_metric("choice_acc").signature(5)}) == 1.0


def test_value_of_samples_is_that_of_the_run(exported, speech):
    *_, lines = exported
    rows = load_run(speech).rows("librispeech", "wer")
    found = {line["doc"]["id"]: line["wer"] for line in lines if "wer" in line}
    assert found == dict(zip(rows.ids, rows.scores, strict=True))
    assert all(math.isfinite(value) for value in found.values())

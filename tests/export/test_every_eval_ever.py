"""Files are valid by Every Eval Ever's own schemas, and say nothing of a sample that failed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from conftest import write_jsonl
from prediction_runs import COCO_IDS

from mio_eval import load_run
from mio_eval.errors import RunError, UsageError
from mio_eval.export import export_run

jsonschema = pytest.importorskip("jsonschema")
SCHEMAS = Path(__file__).parents[1] / "golden" / "every_eval_ever"


def validator(name):
    schema = json.loads((SCHEMAS / name).read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


@pytest.mark.parametrize("fixture", ["speech", "whole"])
def test_valid_by_its_schema(fixture, request, tmp_path):
    run = request.getfixturevalue(fixture)
    written = export_run(run, "every-eval-ever", tmp_path, {"organization": "Us"})
    files = [path for path in written if path.suffix == ".json"]
    data = load_run(run).data
    assert len(files) == len(data["results"])
    check = validator("eval.schema.json")
    for path in files:
        record = json.loads(path.read_text())
        check.validate(record)
        task, _, part = record["evaluation_results"][0]["evaluation_name"].partition(" ")
        assert part == f"(12 of {data['data'][task]['split_expected']} samples)"
        for result in record["evaluation_results"]:
            score = data["results"][task][result["metric_config"]["metric_name"]]
            details = result["score_details"]
            assert details["score"] == score["value"]
            interval = details["uncertainty"]["confidence_interval"]
            assert (interval["lower"], interval["upper"]) == (score["ci_low"], score["ci_high"])
            assert details["details"]["n_failed"] == str(score["n_failed"])
            assert details["details"]["signature"] == score["signature"]
            assert result["metric_config"]["lower_is_better"] is not score["higher_is_better"]


def test_place_in_the_datastore(speech, tmp_path):
    (path,) = export_run(speech, "every-eval-ever", tmp_path, {"model_id": "org/model-1"})
    place = path.relative_to(tmp_path).as_posix()
    name = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json"
    label = r"librispeech \(12 of 2620 samples\)"  # no part of a split passes for the whole
    assert re.fullmatch(rf"data/{label}/org/model-1/{name}", place)
    assert json.loads(path.read_text())["model_info"]["id"] == "org/model-1"


def test_error_rates_have_no_lines_of_right_and_wrong(speech, tmp_path):
    written = export_run(speech, "every-eval-ever", tmp_path)
    assert not [path for path in written if path.suffix == ".jsonl"]


def test_samples_that_are_right_or_wrong(pictures, tmp_path):
    """The run written by hand, as one of multiple choice with a failed sample."""
    import shutil

    run = tmp_path / "quiz"
    shutil.copytree(pictures, run)
    data = json.loads((run / "run.json").read_text())
    score = data["results"]["t2i"].pop("ssim") | {"unit": "×100", "value": 50.0, "n_failed": 1}
    data["results"]["t2i"]["choice_acc"] = score | {"n_scored": 2, "signature": "choice_acc|v:0"}
    data["tasks"]["t2i"] |= {"output": "text", "metrics": {"choice_acc": {}}, "n_failed": 1}
    (run / "run.json").write_text(json.dumps(data))
    lines = [json.loads(line) for line in (run / "t2i" / "samples.jsonl").open()]
    for line, text in zip(lines, ("A", "B", None), strict=True):
        line |= {"output": None if text is None else {"text": text}, "references": ["A"]}
        line["meta"] = {"choices": ["cat", "dog"]}
    lines[2] |= {"status": "failed", "error": {"stage": "generate", "type": "E", "message": "m"}}
    write_jsonl(run / "t2i" / "samples.jsonl", lines)
    # A score that stands there for the failed sample must not come out.
    scores = {"in": 100.0, "out": 0.0, "changed": 100.0}
    write_jsonl(
        run / "t2i" / "stats.jsonl",
        [
            {"id": i, "cluster": i, "stats": {"choice_acc": [s / 100, 1, 0]}}
            | {"scores": {"choice_acc": s}}
            for i, s in scores.items()
        ],
    )
    path, samples = export_run(run, "every-eval-ever", tmp_path / "out")
    found = [json.loads(line) for line in samples.read_text().splitlines()]
    check = validator("instance_level_eval.schema.json")
    record = json.loads(path.read_text())
    validator("eval.schema.json").validate(record)
    for line in found:
        check.validate(line)
        assert line["evaluation_id"] == record["evaluation_id"]
    assert {line["sample_id"]: line["evaluation"]["is_correct"] for line in found} == {
        "in": True,
        "out": False,
    }
    detail = record["detailed_evaluation_results"]
    assert detail["file_path"] == samples.relative_to(tmp_path / "out").as_posix()
    assert detail["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    assert detail["total_rows"] == 2


def test_only_complete_runs_are_published(failed, tmp_path):
    with pytest.raises(RunError, match="publishes complete runs only"):
        export_run(failed, "every-eval-ever", tmp_path)


def test_settings_are_checked(speech, tmp_path):
    with pytest.raises(UsageError, match="first_party"):
        export_run(speech, "every-eval-ever", tmp_path, {"relationship": "first"})
    with pytest.raises(UsageError, match="organization"):
        export_run(speech, "every-eval-ever", tmp_path, {"organisation": "Us"})


def test_degrees_are_not_right_or_wrong(module_runs, tmp_path):
    """A caption that scores 0 is not marked wrong, even where every caption scores 0."""
    run = module_runs("coco_caption", dict.fromkeys(COCO_IDS, "zzz qqq"), name="noise")
    assert load_run(run).data["results"]["coco_caption"]["cider"]["value"] == 0.0
    written = export_run(run, "every-eval-ever", tmp_path)
    assert not [path for path in written if path.suffix == ".jsonl"]

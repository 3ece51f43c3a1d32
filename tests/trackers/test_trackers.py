"""Trackers, offline, read back by their own libraries."""

from __future__ import annotations

import json
import sqlite3
import struct

import pytest

from mio_eval import load_run
from mio_eval.errors import RunError, UsageError
from mio_eval.export import export_run
from mio_eval.export.source import open_source
from mio_eval.trackers import check_tracker, make_log

SECRETS = ("sk-abcdefgh12345678", "hf_abcdefgh1234")


def expected(run):
    """What must be logged, from run.json."""
    found = {}
    for task, scores in load_run(run).data["results"].items():
        for metric, score in scores.items():
            name = f"{task}/{metric}"
            found[name] = score["value"]
            found |= {f"{name}/{k}": float(score[k]) for k in ("n_scored", "n_failed")}
            ends = {k: score[k] for k in ("ci_low", "ci_high") if score[k] is not None}
            found |= {f"{name}/{k}": v for k, v in ends.items()}
    return found


def test_log_has_intervals_counts_and_signatures(speech):
    log = make_log(open_source(speech))
    assert dict(log.metrics) == expected(speech)
    assert log.metrics["librispeech/wer/n_failed"] == 3
    score = load_run(speech).data["results"]["librispeech"]["wer"]
    assert log.config["signatures"]["librispeech/wer"] == score["signature"]
    assert log.samples[1] == [], "samples leave the machine only when asked"
    assert len(make_log(open_source(speech), 5).samples[1]) == 5


def test_no_secret_is_logged(pictures):
    log = make_log(open_source(pictures))
    assert not [secret for secret in SECRETS if secret in json.dumps(log.config)]


def test_no_value_is_not_logged(pictures, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(pictures, run)
    data = json.loads((run / "run.json").read_text())
    data["results"]["t2i"]["ssim"] |= {"value": None, "n_scored": 0, "n_failed": 3}
    (run / "run.json").write_text(json.dumps(data | {"status": "failed"}))
    metrics = make_log(open_source(run)).metrics
    assert metrics == {"t2i/ssim/n_scored": 0.0, "t2i/ssim/n_failed": 3.0}


def records_of(content):
    """Yield the records of W&B's file: LevelDB's log format after a header of seven bytes."""
    assert content[:4] == b":W&B"
    at, held = 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        held += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield held
            held = b""


def test_wandb_offline(speech, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    settings = {"project": "p", "dir": str(tmp_path), "samples": "4"}
    (folder,) = export_run(speech, "wandb", settings=settings)
    wandb.teardown()  # its process writes the file on after the run is finished
    (path,) = folder.glob("*.wandb")
    logged, config = {}, {}
    for data in records_of(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        for item in record.history.item:
            logged[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        for item in record.run.config.update:
            config[item.key] = json.loads(item.value_json)
    for name, value in expected(speech).items():
        assert logged[name] == value
    assert config["signatures"] == make_log(open_source(speech)).config["signatures"]
    assert logged["scores/nrows"] == 3
    table = json.loads((folder / "files" / logged["samples/path"]).read_text())
    assert len(table["data"]) == 4


def test_mlflow_in_a_database(speech, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'm.db'}"
    export_run(speech, "mlflow", settings={"uri": uri, "experiment": "e", "samples": "2"})
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert run.data.metrics == expected(speech)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.name"] == "org/speech model"
    assert run.data.params["signatures.librispeech/wer"].startswith("wer|")
    assert run.data.tags["mio_eval.run"] == speech.name
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"config.json", "scores.json", "samples.json"}
    path = client.download_artifacts(run.info.run_id, "scores.json")
    with open(path) as file:  # noqa: PTH123
        assert [row["metric"] for row in json.load(file)["rows"]] == ["wer", "wer_utt_mean", "cer"]


def test_trackio_local(speech, tmp_path, monkeypatch):
    """trackio wants a Pillow below 13, so it is not among the packages of the other tests."""
    pytest.importorskip("trackio")
    from trackio import sqlite_storage, utils

    for module in (utils, sqlite_storage):
        if hasattr(module, "TRACKIO_DIR"):
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path)
    export_run(speech, "trackio", settings={"project": "p", "samples": "2"})
    (path,) = tmp_path.glob("*.db")
    with sqlite3.connect(path) as database:
        (row,) = database.execute("select metrics from metrics").fetchall()
        (config,) = database.execute("select config from configs").fetchall()
    logged = json.loads(row[0])
    for name, value in expected(speech).items():
        assert logged[name] == value
    assert "librispeech/wer" in json.loads(config[0])["signatures"]


def test_tracker_that_refuses(speech, tmp_path, monkeypatch):
    """The run is there still, and the message says how to log it again."""
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(RunError, match=r"did not take .* --to mlflow"):
        export_run(speech, "mlflow", settings={"uri": f"unknown://{tmp_path}"})


def test_settings_are_read(monkeypatch):
    monkeypatch.setattr("mio_eval.trackers.find_spec", lambda name: object())
    assert check_tracker("wandb") == ("wandb", {})
    assert check_tracker("wandb:project=a,mode=offline") == (
        "wandb",
        {"project": "a", "mode": "offline"},
    )
    for spec, said in (
        ("wanbd", "wandb"),
        ("wandb:projekt=a", "project"),
        ("wandb:project", "key=value"),
        ("wandb:samples=many", "number of samples"),
    ):
        with pytest.raises(UsageError, match=said):
            check_tracker(spec)


def test_package_that_is_missing(monkeypatch):
    monkeypatch.setattr("mio_eval.trackers.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'pip install "mio-eval\[trackio\]"'):
        check_tracker("trackio")


def test_run_logs_at_its_end(cli, tmp_path):
    """`run --tracker` refuses before the run what cannot work, and logs what it scored."""
    from conftest import write_jsonl, write_librispeech
    from prediction_runs import SPEECH_IDS, transcript

    pytest.importorskip("wandb")
    write_librispeech(tmp_path / "data")
    rows = [{"id": name, "text": transcript(i)} for i, name in enumerate(SPEECH_IDS)]
    write_jsonl(tmp_path / "p.jsonl", rows)
    command = ["run", "--tasks", "librispeech", "--model", "predictions", "--data-dir", "data"]
    command += ["--model-args", "path=p.jsonl", "--out", "runs"]
    refused = cli(*command, "--tracker", "wandb:projekt=x")
    assert refused.returncode == 2
    assert not (tmp_path / "runs").exists()
    done = cli(*command, "--tracker", "wandb:mode=offline")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))

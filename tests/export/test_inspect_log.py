"""Logs are read by inspect_ai itself."""

from __future__ import annotations

import zipfile

import pytest

from mio_eval import load_run
from mio_eval.export import export_run

log = pytest.importorskip("inspect_ai.log")


@pytest.fixture(scope="module", params=["inspect", "inspect-json"])
def exported(request, speech, tmp_path_factory):
    (path,) = export_run(speech, request.param, tmp_path_factory.mktemp("out"))
    return path


def test_scores_and_intervals(exported, speech):
    found = log.read_eval_log(str(exported))
    assert found.status == "success"
    assert found.eval.task == "librispeech"
    assert found.eval.model == "mio-eval/org/speech model"
    run = load_run(speech).data["results"]["librispeech"]
    assert [score.name for score in found.results.scores] == list(run)
    for score in found.results.scores:
        own = run[score.name]
        values = {name: metric.value for name, metric in score.metrics.items()}
        assert values["value"] == own["value"]
        assert (values["ci_low"], values["ci_high"]) == (own["ci_low"], own["ci_high"])
        assert (values["n_scored"], values["n_failed"]) == (9, 3)
        assert score.metadata["signature"] == own["signature"]
    assert (found.results.total_samples, found.results.completed_samples) == (12, 9)


def test_samples(exported, speech):
    found = log.read_eval_log(str(exported))
    records = {record["id"]: record for record in load_run(speech).records("librispeech")}
    rows = load_run(speech).rows("librispeech", "wer")
    own = dict(zip(rows.ids, rows.scores, strict=True))
    assert [sample.id for sample in found.samples] == sorted(records)
    for sample in found.samples:
        record = records[sample.id]
        assert sample.target == record["references"][0]
        if record["status"] == "ok":
            assert sample.error is None
            assert sample.output.completion == record["output"]["text"]
            assert sample.scores["wer"].value == own[sample.id]
        else:
            assert sample.error.message
            assert sample.scores == {}
            assert sample.output.choices == []
    assert sum(sample.error is not None for sample in found.samples) == 3


def test_header_and_single_samples(exported):
    header = log.read_eval_log(str(exported), header_only=True)
    assert header.samples is None
    assert header.results.scores
    assert log.read_eval_log_sample(str(exported), "100-7-0001", 1).id == "100-7-0001"


def test_summaries(exported):
    read = getattr(log, "read_eval_log_sample_summaries", None)
    if read is None:
        if exported.suffix == ".eval":
            with zipfile.ZipFile(exported) as archive:
                assert "summaries.json" in archive.namelist()
        return
    summaries = read(str(exported))
    assert len(summaries) == 12
    assert sum(bool(summary.error) for summary in summaries) == 3


def test_run_that_failed_is_an_error(failed, tmp_path):
    (path,) = export_run(failed, "inspect", tmp_path)
    found = log.read_eval_log(str(path))
    assert found.status == "error"
    assert "3 of 12 samples failed" in found.error.message


def test_media_are_attachments_inside_the_run_only(pictures, tmp_path):
    import base64

    (path,) = export_run(pictures, "inspect", tmp_path)
    samples = {sample.id: sample for sample in log.read_eval_log(str(path)).samples}
    inside = samples["in"]
    ((key, attached),) = inside.attachments.items()
    assert key == inside.metadata["sha256"][:32]
    kind, _, data = attached.partition(",")
    assert kind == "data:image/png;base64"
    stored = (pictures / inside.metadata["media"]).read_bytes()
    assert base64.b64decode(data) == stored
    assert inside.messages[1].content[1].image == f"attachment://{key}"
    assert inside.output.message.content[1].image == attached
    (shown,) = (
        sample
        for sample in log.read_eval_log(str(path), resolve_attachments=True).samples
        if sample.id == "in"
    )
    assert shown.messages[1].content[1].image == attached
    for name in ("out", "changed"):
        assert samples[name].attachments == {}
        assert len(samples[name].output.message.content) == 1
    assert b"secret" not in path.read_bytes()


def test_same_run_same_file(speech, tmp_path):
    first, second = (
        export_run(speech, "inspect", tmp_path / name)[0].read_bytes() for name in ("a", "b")
    )
    assert first == second


def test_names_in_the_archive_lead_nowhere():
    from mio_eval.export.inspect_log import _member

    assert _member("subject/5") == "samples/subject/5_epoch_1.json"
    for name in ("../../etc/passwd", "/etc/passwd", "a\\..\\b", "x" * 300):
        assert ".." not in _member(name)
        assert _member(name).count("/") == 1

"""JUnit XML, CSV and Parquet, read by junitparser, csv and pandas."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pytest
from export.conftest import HOSTILE

from mio_eval import load_run
from mio_eval.export import export_run


def test_junit_of_a_run_with_failed_samples(speech, tmp_path):
    junitparser = pytest.importorskip("junitparser")
    (path,) = export_run(speech, "junit", tmp_path)
    found = junitparser.JUnitXml.fromfile(str(path))
    scores = load_run(speech).data["results"]["librispeech"]
    assert (found.tests, found.failures, found.errors) == (1 + len(scores) + 3, 0, 3)
    whole, task = list(found)
    assert [case.is_passed for case in whole] == [True]
    cases = {case.name: case for case in task}
    for metric, score in scores.items():
        assert cases[metric].is_passed
        said = cases[metric].system_out
        assert repr(score["value"]) in said
        assert repr(score["ci_low"]) in said
        assert "failed 3" in said
        assert score["signature"] in said
    failed = [case for case in task if case.name.startswith("sample ")]
    assert len(failed) == 3
    for case in failed:
        (result,) = case.result
        assert isinstance(result, junitparser.Error)
        assert result.message
    assert {p.name: p.value for p in task.properties()}["failed samples"] == "3"


def test_junit_of_a_run_that_failed(failed, tmp_path):
    junitparser = pytest.importorskip("junitparser")
    (path,) = export_run(failed, "junit", tmp_path)
    (case,) = next(iter(junitparser.JUnitXml.fromfile(str(path))))
    assert isinstance(case.result[0], junitparser.Failure)
    assert "3 of 12 samples failed" in case.result[0].message


def test_junit_is_xml_whatever_an_error_says(speech, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(speech, run)
    path = run / "librispeech" / "samples.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    bad = next(line for line in lines if line["status"] == "failed")
    bad["error"]["message"] = HOSTILE + "\ud800\ufffe\x00"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (xml,) = export_run(run, "junit", tmp_path / "out")
    said = [e.get("message") for e in ET.fromstring(xml.read_bytes()).iter("error")]  # noqa: S314
    assert any("<script>" in text and "\x07" not in text for text in said)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv(speech, tmp_path):
    scores, samples, own = (rows_of(path) for path in export_run(speech, "csv", tmp_path))
    data = load_run(speech).data["results"]["librispeech"]
    assert [row["metric"] for row in scores] == list(data)
    for row in scores:
        score = data[row["metric"]]
        for name in ("value", "ci_low", "ci_high"):
            assert float(row[name]) == score[name]
        assert (row["n_expected"], row["n_scored"], row["n_failed"]) == ("12", "9", "3")
        assert row["signature"] == score["signature"]
    assert len(samples) == 12
    failed = [row for row in samples if row["status"] == "failed"]
    assert len(failed) == 3
    assert all(row["error_stage"] and not row["text"] for row in failed)
    assert not {row["id"] for row in failed} & {row["id"] for row in own}
    assert len(own) == 9 * len(data)


def test_no_cell_of_the_csv_is_a_formula(speech, tmp_path):
    for path in export_run(speech, "csv", tmp_path):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
                assert not cell.startswith("-") or float(cell) < 0
                assert not set(cell) & set("\x07\x1b\u202e\n\r\t")
    text = next(r["text"] for r in rows_of(tmp_path / "samples.csv") if r["id"] == "100-7-0000")
    assert text.startswith("'=cmd")


def test_parquet(speech, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    scores, samples, own = map(pandas.read_parquet, export_run(speech, "parquet", tmp_path))
    run = load_run(speech)
    expected = run.scores[["metric", "value", "ci_low", "ci_high", "signature"]]
    pandas.testing.assert_frame_equal(scores[list(expected.columns)], expected, check_dtype=False)
    text = samples.set_index("id").text["100-7-0000"]
    assert text == HOSTILE, "what the model said, as it said it"
    assert samples.set_index("id").references["100-7-0000"].tolist() == ["ONE TWO"]
    failed = samples[samples.status == "failed"]
    assert failed.text.isna().all()
    wide = own.pivot(index="id", columns="metric", values="score")
    assert wide.wer.to_dict() == run.samples.set_index("id").wer.dropna().to_dict()


def test_parquet_of_two_runs_go_together(speech, whole, tmp_path):
    """Column types do not depend on what a run happens to hold."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    paths = [export_run(run, "parquet", tmp_path / run.name) for run in (speech, whole)]
    for one, two in zip(*paths, strict=True):
        assert parquet.read_schema(one) == parquet.read_schema(two)
    joined = pyarrow.concat_tables([parquet.read_table(found[0]) for found in paths])
    assert joined.num_rows > 3

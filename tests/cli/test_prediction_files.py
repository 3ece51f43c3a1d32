"""Files of predictions and references with mistakes in them: line, id and remedy are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import captions_of, write_jsonl


@pytest.fixture
def ways(invoke, data_dir, references):
    """The two ways to score a file, through a task and without one."""

    def run(path, *options):
        return invoke(
            *("run", "--tasks", "coco_caption", "--data-dir", data_dir, "--model", "predictions"),
            *("--model-args", f"path={path}", *options),
        )

    def metric(path, *options):
        return invoke(
            "metric", "cider", "--predictions", path, "--references", references, *options
        )

    return {"run": run, "metric": metric}


def predictions(count: int = 12, first: int = 1000) -> list[dict[str, str]]:
    return [{"id": str(first + i), "text": captions_of(i)[1]} for i in range(count)]


@pytest.mark.parametrize("way", ["run", "metric"])
def test_unknown_ids(ways, tmp_path, way):
    path = write_jsonl(tmp_path / "p.jsonl", predictions() + predictions(7, first=9000))
    ended = ways[way](path)
    assert ended.message == (
        f"mio-eval: {path}: unknown ids '9000', '9001', '9002', '9003', '9004' and 2 more; "
        "the data has no such sample (check the task and split)"
    )
    assert ended.code == 2


@pytest.mark.parametrize("way", ["run", "metric"])
def test_duplicate_ids(ways, tmp_path, way):
    path = write_jsonl(tmp_path / "p.jsonl", predictions() + predictions(1))
    ended = ways[way](path)
    assert ended.message == f"mio-eval: {path}: duplicate id '1000'; give each id once"
    assert ended.code == 2


@pytest.mark.parametrize("way", ["run", "metric"])
def test_missing_ids(ways, tmp_path, way):
    path = write_jsonl(tmp_path / "p.jsonl", predictions(6))
    ended = ways[way](path)
    assert ended.message == (
        f"mio-eval: {path}: missing ids '1006', '1007', '1008', '1009', '1010' and 1 more; "
        "predict every sample, or pass --allow-partial to count missing ones as failed"
    )
    assert ended.code == 2
    assert not Path("results").exists()


def test_partial_counts_missing_as_failed(ways, tmp_path):
    path = write_jsonl(tmp_path / "p.jsonl", predictions(9))
    shown = json.loads(ways["metric"](path, "--allow-partial", "--json").out)
    assert (shown["n_expected"], shown["n_scored"], shown["n_failed"]) == (12, 9, 3)
    text = ways["metric"](path, "--allow-partial")
    assert "scored 9/12, 3 failed" in text.out
    assert text.code == 4
    ended = ways["run"](path, "--allow-partial")
    assert ended.code == 4
    assert "3 of 12 samples failed, --max-failures allows 0" in " ".join(ended.out.split())
    assert ways["run"](path, "--allow-partial", "--max-failures", "3").code == 0
    assert ways["run"](path, "--allow-partial", "--max-failures", "24%").code == 4
    assert ways["run"](path, "--allow-partial", "--max-failures", "25%").code == 0


@pytest.mark.parametrize("way", ["run", "metric"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{oops", "line 3: not JSON ("),
        (b'{"id": "x", "text": "\xff"}', "line 3: not JSON ("),
        (b"[" * 100_000, "line 3: not JSON ("),
        (b'["1002", "a cat"]', 'line 3: expected an object with "id": a string, got none'),
        (b'{"text": "a"}', 'line 3: expected an object with "id": a string, got none'),
        (b'{"id": 1002, "text": "a"}', 'expected an object with "id": a string, got id 1002'),
        (b'{"id": "1002"}', "expected one of text, image, audio, video with a string, got {"),
        (b'{"id": "1002", "text": null}', 'with a string, got {"id": "1002", "text": null}'),
        (b'{"id": "1002", "text": "a", "audio": "b.wav"}', "expected one of text, image, audio"),
        (b'{"id": "1002", "image": "../secret.png"}', "'../secret.png' must be a path inside"),
        (b'{"id": "1002", "audio": "/etc/passwd"}', "'/etc/passwd' must be a path inside the"),
    ],
)
def test_malformed_line(ways, tmp_path, way, line, message):
    path = tmp_path / "p.jsonl"
    head = "".join(json.dumps(row) + "\n" for row in predictions(2)).encode()
    path.write_bytes(head + line + b"\n")
    ended = ways[way](path)
    assert f"mio-eval: {path} line 3: " in ended.message
    assert message in ended.message
    assert ended.code == 2


@pytest.mark.parametrize("way", ["run", "metric"])
@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere.jsonl", "No such file or directory"), (".", "Is a directory")]
)
def test_file_that_cannot_be_read(ways, way, name, reason):
    ended = ways[way](name)
    assert ended.message == f"mio-eval: cannot read {name}: {reason}"
    assert ended.code == 2


def test_blank_lines_and_byte_order_mark_do_no_harm(ways, tmp_path):
    path = tmp_path / "p.jsonl"
    lines = [json.dumps(row) for row in predictions()]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(lines).encode() + b"\n\n")
    assert ways["metric"](path).code == 0


@pytest.mark.parametrize("value", ['"a cat"', "[]", "[1]", "null"])
def test_references_without_a_list(invoke, captions, tmp_path, value):
    path = tmp_path / "r.jsonl"
    good = '{"id": "1000", "references": ["a cat"]}'
    path.write_text(f'{good}\n\n{{"id": "1001", "references": {value}}}\n')
    ended = invoke("metric", "cider", "--predictions", captions, "--references", path)
    assert ended.message == (
        f'mio-eval: {path} line 3: expected "references": a list of one or more strings, '
        f"got {value}"
    )
    assert ended.code == 2


def test_duplicate_references(invoke, captions, tmp_path):
    row = {"id": "1", "references": ["a"]}
    path = write_jsonl(tmp_path / "r.jsonl", [row, row])
    ended = invoke("metric", "wer", "--predictions", captions, "--references", path)
    assert ended.message == f"mio-eval: {path}: duplicate id '1'; give each id once"
    assert ended.code == 2


def test_empty_references(invoke, captions, tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", [])
    ended = invoke("metric", "cider", "--predictions", captions, "--references", path)
    assert ended.message.startswith(f"mio-eval: {path} holds no line; give ")
    assert ended.code == 2


def test_media_predictions_for_a_text_metric(invoke, tmp_path):
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": "1", "image": "a.png"}])
    wanted = write_jsonl(tmp_path / "r.jsonl", [{"id": "1", "references": ["a"]}])
    ended = invoke("metric", "wer", "--predictions", given, "--references", wanted)
    assert ended.message == f"mio-eval: {given}: id '1': metric wer scores text"
    assert ended.code == 2


def test_lone_surrogates_are_replaced(invoke, tmp_path):
    given = tmp_path / "p.jsonl"
    given.write_text('{"id": "\\ud800", "text": "a \\udfff"}\n')
    wanted = tmp_path / "r.jsonl"
    wanted.write_text('{"id": "\\ud800", "references": ["a \\udfff"]}\n')
    ended = invoke(
        *("metric", "wer", "--predictions", given, "--references", wanted),
        *("--set", "norm=none", "--json", "--per-sample"),
    )
    assert json.loads(ended.out)["per_sample"] == {"�": 0.0}
    assert ended.code == 0

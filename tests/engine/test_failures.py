"""What a model does wrong fails exactly its own samples; the others are scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engine.backends_for_tests import LONG, NASTY
from engine.worlds import World, read_run, records_of

from mio_eval.engine.execute import MAX_HANGS
from mio_eval.engine.progress import Silent
from mio_eval.errors import RunError, UsageError
from mio_eval.models.predictions import Predictions


class Told(Silent):
    """Keeps the messages of a run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def failures(world: World, behaviours: dict[str, str], **options: Any) -> dict[str, Any]:
    """Run a scripted model; return the errors of failed samples."""
    arguments = {"model_args": world.script(behaviours), "batch_size": 4, "timeout": 30, **options}
    result = world.evaluate("Scripted", **arguments)
    records = records_of(result.path)
    assert len(records) == 12
    failed = {name: r["error"] for name, r in records.items() if r["status"] == "failed"}
    assert all(r["output"] is None for r in records.values() if r["status"] == "failed")
    for score in result.scores["captions"].values():
        assert score["n_expected"] == 12
        assert score["n_failed"] == len(failed)
        assert score["n_scored"] == 12 - len(failed)
        assert score["value"] is not None
    task = result.data["tasks"]["captions"]
    assert task["n_failed"] == len(failed)
    assert result.failed is bool(failed)
    return failed


@pytest.mark.parametrize(
    ("behaviour", "kind", "message"),
    [
        ("raise", "ValueError", "bad \ufffd sample"),
        ("nothing", "NoResponse", "the model gave no response to this request"),
        ("unknown", "NoResponse", "the model gave no response to this request"),
        ("empty", "NoOutput", "the model returned neither output nor error"),
        ("wrong", "WrongModality", "asked for text, got image"),
        ("string", "WrongModality", "asked for text, got str"),
        ("number", "WrongModality", "asked for text, got Text(int)"),
    ],
)
def test_one_bad_answer_fails_one_sample(
    world: World, behaviour: str, kind: str, message: str
) -> None:
    assert failures(world, {"1002": behaviour}) == {
        "1002": {"stage": "generate", "type": kind, "message": message}
    }


@pytest.mark.parametrize(
    ("behaviour", "kind", "message"),
    [
        ("raise-batch", "ArithmeticError", "the whole batch"),
        ("exit", "SystemExit", "3"),
        ("no-response", "TypeError", "the model yielded no Response: str"),
    ],
)
def test_a_raising_batch_fails_what_it_left_open(
    world: World, behaviour: str, kind: str, message: str
) -> None:
    """Batches are 1000–1003, 1004–1007, 1008–1011; 1004 was answered before 1005 raised."""
    error = {"stage": "generate", "type": kind, "message": message}
    assert failures(world, {"1005": behaviour}) == dict.fromkeys(("1005", "1006", "1007"), error)


def test_a_hanging_batch_fails_what_it_left_open(world: World) -> None:
    error = {
        "stage": "generate",
        "type": "TimeoutError",
        "message": "no answer within 0.8 s (--timeout)",
    }
    found = failures(world, {"1001": "hang", "1009": "hang"}, timeout=0.8)
    assert found == dict.fromkeys(("1001", "1002", "1003", "1009", "1010", "1011"), error)


def test_a_model_that_hangs_for_good_is_given_up(world: World) -> None:
    script = world.script({"1000": "", "*": "hang"})
    with pytest.raises(RunError, match=r"did not answer 3 batches in a row within 0\.8 s"):
        world.evaluate("Scripted", model_args=script, batch_size=2, timeout=0.8)
    (run,) = world.runs()
    data = read_run(run)
    assert data["status"] == "failed"
    assert data["reason"].startswith("the model did not answer 3 batches")
    records = records_of(run)
    assert len(records) == 2 * MAX_HANGS
    assert records["1000"]["status"] == "ok"

    world.script({})
    position = len(world.started())
    again = world.evaluate("Scripted", model_args=script, batch_size=2, timeout=5)
    assert again.path == run
    assert not again.failed
    assert len(world.started()) == position + 11


def test_a_process_with_a_hung_model_ends(world: World) -> None:
    script = world.script({"*": "hang"})["script"]
    command = world.command(
        *("--timeout", "0.2", "--batch-size", "1"),
        model="Scripted",
        tasks="captions",
        model_args=f"script={script}",
    )
    done = world.call(command)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("mio-eval: the model did not answer 3 batches")


def test_the_first_of_two_answers_counts_and_the_other_is_said(world: World) -> None:
    told = Told()
    assert failures(world, {"1004": "twice", "1009": "unknown"}, progress=told).keys() == {"1009"}
    (run,) = world.runs()
    assert records_of(run)["1004"]["output"]["text"] != "another answer"
    assert [line.split(":")[0] for line in told.lines] == [
        "the model gave an answer that nothing asked for, to '1004'",
        "the model gave an answer that nothing asked for, to 'not-a-sample'",
    ]


def test_hostile_and_huge_text_is_kept_and_scored(world: World) -> None:
    assert not failures(world, {"1001": "nasty", "1002": "long"})
    (run,) = world.runs()
    records = records_of(run)
    assert records["1001"]["output"]["text"] == NASTY.replace("\ud800", "\ufffd")
    assert records["1001"]["timing"] == {"seconds": None, "cached": False, "usage": {"tokens": 7}}
    assert records["1002"]["output"]["text"] == LONG
    again = world.evaluate("Scripted", model_args=world.script({}), batch_size=5)
    assert records_of(again.path)["1001"]["output"] == records["1001"]["output"]
    assert len(world.started()) == 12


@pytest.mark.parametrize(
    ("allowed", "failed", "code"),
    [("0", 0, 0), ("0", 1, 4), ("1", 1, 0), ("1", 2, 4), ("10%", 1, 0), ("10%", 2, 4)],
)
def test_failures_within_max_failures_pass(
    world: World, allowed: str, failed: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from mio_eval.cli import main

    script = world.script({str(1000 + i): "nothing" for i in range(failed)})["script"]
    with pytest.raises(SystemExit) as stop:
        main(
            world.command(
                *("--max-failures", allowed),
                model="Scripted",
                tasks="captions",
                model_args=f"script={script}",
            )
        )
    assert stop.value.code == code
    data = read_run(world.runs()[0])
    assert data["status"] == ("failed" if code else "complete")
    assert data["results"]["captions"]["cider"]["n_scored"] == 12 - failed
    if code:
        assert data["reason"] == (
            f"captions: {failed} of 12 samples failed, --max-failures allows {allowed}"
        )
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "x", "101%", "1.5", "%", "nan%"])
def test_max_failures_must_be_a_count_or_a_share(world: World, text: str) -> None:
    with pytest.raises(UsageError, match="--max-failures"):
        world.evaluate(max_failures=text)
    assert not world.runs()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_timeout_must_be_a_time(world: World, seconds: float) -> None:
    with pytest.raises(UsageError, match=r"--timeout .*expected seconds above 0"):
        world.evaluate(timeout=seconds)


def test_all_failed_is_no_score(world: World) -> None:
    result = world.evaluate(
        "Scripted", model_args=world.script({"*": "nothing"}), max_failures="100%"
    )
    assert result.failed
    for score in result.scores["captions"].values():
        assert (score["value"], score["ci_low"], score["ci_high"]) == (None, None, None)
        assert (score["n_scored"], score["n_failed"]) == (0, 12)
    assert "no value for cider (no sample was scored)" in result.data["reason"]


def test_only_failed_samples_are_tried_again(world: World) -> None:
    failures(world, {"1003": "raise", "1008": "nothing"})
    (run,) = world.runs()
    position = len(world.started())
    assert not failures(world, {})
    assert world.runs() == [run]
    assert sorted(world.started()[position:]) == ["1003", "1008"]
    clean = world.evaluate("Scripted", model_args=world.script({}), out=str(world.root / "new"))
    assert read_run(run)["results"] == clean.data["results"]


def corrupt_jpeg(data: bytes) -> bytes:
    return data[:20] + b"\0" * 40 + data[60:]


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes | None], str]] = {
    "corrupt image": ("captions", corrupt_jpeg, "decode"),
    "truncated image": ("captions", lambda data: data[: len(data) // 2], "decode"),
    "empty image": ("captions", lambda data: b"", "decode"),
    "missing image": ("captions", lambda data: None, "data"),
    "truncated sound": ("speech", lambda data: data[: len(data) // 2], "decode"),
    "empty sound": ("speech", lambda data: b"", "decode"),
    "missing sound": ("speech", lambda data: None, "data"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_medium_fails_its_sample_alone(world: World, case: str) -> None:
    task, damage, stage = BROKEN[case]
    if task == "captions":
        name, path = "1004", world.data / "coco/val2014/COCO_val2014_000000001004.jpg"
    else:
        name = "101-7-0002"
        path = world.data / f"LibriSpeech/test-clean/101/7/{name}.flac"
    damaged = damage(path.read_bytes())
    path.unlink()
    if damaged is not None:
        path.write_bytes(damaged)

    result = world.evaluate("Decoding", tasks=(task,))
    records = records_of(result.path, task)
    failed = {n: r["error"] for n, r in records.items() if r["status"] != "ok"}
    assert failed.keys() == {name}
    assert failed[name]["stage"] == stage
    assert failed[name]["message"]
    assert result.data["tasks"][task]["failures"] == {stage: 1}
    assert result.failed
    assert {s["n_scored"] for s in result.scores[task].values()} == {11}


def test_a_zero_length_sound_fails_its_sample_alone(world: World) -> None:
    import numpy as np
    import soundfile

    name = "100-7-0001"
    path = world.data / f"LibriSpeech/test-clean/100/7/{name}.flac"
    soundfile.write(path, np.zeros(0), 16000)
    result = world.evaluate("Decoding", tasks=("speech",))
    error = records_of(result.path, "speech")[name]["error"]
    assert (error["stage"], error["type"]) == ("decode", "DecodeError")
    assert {s["n_failed"] for s in result.scores["speech"].values()} == {1}


def test_a_reader_whose_bytes_raise_fails_its_sample_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of a table without a file: its bytes are made by the reader's own code."""
    from mio_eval.data import coco
    from mio_eval.types import Image, Sample

    real = coco.read_karpathy

    def rows(*arguments: Any) -> Iterator[Sample]:
        def no_bytes() -> bytes:
            raise RuntimeError("row 3 holds no bytes")

        for sample in real(*arguments):
            if sample.id == "1003":
                yield Sample("1003", {"image": Image(load=no_bytes)}, sample.references)
            else:
                yield sample

    monkeypatch.setattr(coco, "read_karpathy", rows)
    result = world.evaluate("Decoding")
    errors = {n: r["error"] for n, r in records_of(result.path).items() if r["error"]}
    assert errors == {
        "1003": {"stage": "data", "type": "RuntimeError", "message": "row 3 holds no bytes"}
    }


def test_an_output_that_a_metric_cannot_take_fails_for_that_metric_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mio_eval.metrics.captioning import RougeL

    real = RougeL.statistics

    def choosy(self: RougeL, items: Any) -> Any:
        if any(item.id == "1004" for item in items):
            raise ValueError("no normal form")
        return real(self, items)

    whole = world.evaluate(out=str(world.root / "whole"))
    monkeypatch.setattr(RougeL, "statistics", choosy)
    result = world.evaluate()
    scores = result.scores["captions"]
    assert result.failed
    assert (scores["rouge_l"]["n_scored"], scores["rouge_l"]["n_failed"]) == (11, 1)
    assert scores["cider"] == whole.scores["captions"]["cider"]
    before = records_of(whole.path, file="stats.jsonl")
    after = records_of(result.path, file="stats.jsonl")
    error = {"stage": "score", "type": "ValueError", "message": "no normal form"}
    assert after["1004"]["errors"] == {"rouge_l": error}
    assert "rouge_l" not in after["1004"]["stats"]
    del before["1004"], after["1004"]
    assert after == before


def test_references_that_utf8_cannot_hold_are_scored(world: World) -> None:
    path = world.data / "coco" / "dataset_coco.json"
    data = json.loads(path.read_text())
    data["images"][2]["sentences"][0]["raw"] = "a bird \ud83d in a park"
    path.write_text(json.dumps(data))
    result = world.evaluate()
    assert not result.failed
    assert records_of(result.path)["1002"]["references"][0] == "a bird \ufffd in a park"


def test_missing_predictions_are_failed_samples_when_allowed(world: World) -> None:
    path = world.root / "p.jsonl"
    path.write_text("".join(f'{{"id":"{1000 + i}","text":"a cat"}}\n' for i in range(10)))
    options: dict[str, Any] = {"data_dir": str(world.data), "out": str(world.out)}
    from mio_eval.engine import Options, evaluate

    model = {"model": Predictions.name, "model_args": {"path": str(path)}}
    with pytest.raises(UsageError, match="missing ids '1010', '1011'"):
        evaluate(Options(("captions",), **model, **options))
    result = evaluate(Options(("captions",), **model, **options, allow_partial=True))
    assert result.failed
    failed = {n for n, r in records_of(result.path).items() if r["status"] == "failed"}
    assert failed == {"1010", "1011"}

"""Multiple choice by likelihood: prompts with media, journal, cache, resumption, failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from engine.option_scorers import Options as OptionScorer
from engine.option_scorers import value_of
from engine.worlds import LAUNCHER, TESTS, read_run, records_of

from mio_eval.engine import Options as RunOptions
from mio_eval.engine import evaluate
from mio_eval.engine.likelihood import CONTINUATIONS, respond
from mio_eval.engine.progress import Silent
from mio_eval.engine.rescore import rescore
from mio_eval.errors import UsageError
from mio_eval.models.loglikelihood import LoglikelihoodRequest
from mio_eval.types import Image, Request, Text
from mio_eval.verify import verify

MEAN = "choice_acc.rule=loglik-mean"
SUM = "choice_acc.rule=loglik-sum"
QUESTIONS = 9


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A SEED-Bench tree: nine questions on three images."""
    from PIL import Image as Pictures

    folder = tmp_path / "data" / "seed_bench"
    (folder / "SEED-Bench-image").mkdir(parents=True)
    for number in range(3):
        picture = Pictures.new("RGB", (8, 8), (40 * number, 10, 200))
        picture.save(folder / "SEED-Bench-image" / f"{number}_1", "PNG")
    rows = [
        {
            **{"answer": "ABCD"[number % 4], "data_id": f"{number % 3}_1", "data_type": "image"},
            **{"question": f"What is {number}?", "question_id": str(number)},
            **{
                f"choice_{c}": f"{c} long answer {number}"[: 3 + 5 * i]
                for i, c in enumerate("abcd")
            },
            "question_type_id": 1 + number % 2,
        }
        for number in range(QUESTIONS)
    ]
    names = {"Scene Understanding": 1, "Instance Identity": 2}
    (folder / "SEED-Bench.json").write_text(json.dumps({"questions": rows, "question_type": names}))
    return tmp_path / "data"


def run(data: Path, model: str = "Options", *settings: str, **more: Any) -> Any:
    root = data.parent
    arguments = {"log": str(root / "log.txt"), **more.pop("model_args", {})}
    options = {"tasks": ("seed_bench",), "data_dir": str(data), "out": str(root / "runs"), **more}
    return evaluate(
        RunOptions(
            model=f"engine.option_scorers:{model}",
            model_args=arguments,
            metric_settings=settings or (MEAN,),
            **options,
        )
    )


def scored(data: Path) -> list[str]:
    path = data.parent / "log.txt"
    return path.read_text().splitlines() if path.exists() else []


def expected(data: Path, mean: bool) -> dict[str, str]:
    """The letter of the likeliest option, computed here."""
    folder = data / "seed_bench"
    letters = {}
    for row in json.loads((folder / "SEED-Bench.json").read_text())["questions"]:
        parts = (
            Image(folder / "SEED-Bench-image" / row["data_id"]),
            Text(f"\nQuestion: {row['question']}\nAnswer:"),
        )
        values = []
        for letter in "abcd":
            request = LoglikelihoodRequest("", f" {row[f'choice_{letter}']}", parts)
            logprob, tokens = value_of(request)
            values.append(logprob / tokens if mean else logprob)
        letters[row["question_id"]] = "ABCD"[values.index(max(values))]
    return letters


def read_letters(run_path: Path) -> dict[str, str]:
    rows = records_of(run_path, "seed_bench", "stats.jsonl")
    return {name: row["details"]["choice_acc"]["read"] for name, row in rows.items()}


@pytest.mark.parametrize(("setting", "mean"), [(MEAN, True), (SUM, False)])
def test_the_likeliest_option_is_chosen(data: Path, setting: str, mean: bool) -> None:
    result = run(data, "Options", setting)
    letters = expected(data, mean)
    assert read_letters(result.path) == letters
    answers = {str(n): "ABCD"[n % 4] for n in range(QUESTIONS)}
    right = sum(letters[name] == answer for name, answer in answers.items())
    score = result.scores["seed_bench"]["choice_acc"]
    assert score["value"] == pytest.approx(100 * right / QUESTIONS)
    assert (score["n_scored"], score["n_failed"]) == (QUESTIONS, 0)
    assert f"|rule:{setting.partition('=')[2]}|" in score["signature"]
    assert expected(data, True) != expected(data, False), "the two rules could not be told apart"


def test_the_journal_holds_what_the_model_gave(data: Path) -> None:
    result = run(data)
    record = records_of(result.path, "seed_bench")["4"]
    assert [next(iter(part)) for part in record["prompt"]] == ["image", "text"]
    assert record["prompt"][1]["text"] == "\nQuestion: What is 4?\nAnswer:"
    held = json.loads(record["output"]["text"])["loglikelihood"]
    assert held["options"] == [" a l", " b long a", " c long answer", " d long answer 4"]
    assert held["tokens"] == [2, 3, 3, 4]
    assert all(value < 0 for value in held["sum"])
    facts = read_run(result.path)["tasks"]["seed_bench"]
    assert facts["prompt"] == "{image}\nQuestion: {question}\nAnswer:"
    assert facts["generation"] == {"continuation": " {choice}"}


def test_verify_and_score_need_no_model(data: Path) -> None:
    result = run(data)
    letters = expected(data, mean=False)
    for picture in (data / "seed_bench" / "SEED-Bench-image").iterdir():
        picture.unlink()
    assert not verify(result.path).problems
    rescore(result.path, (SUM,), Silent())
    assert read_letters(result.path) == letters
    assert not verify(result.path).problems
    assert len(scored(data)) == 4 * QUESTIONS

    again = rescore(result.path, ("choice_acc.rule=letter",), Silent())
    assert again["status"] == "failed"
    error = records_of(result.path, "seed_bench", "stats.jsonl")["1"]["errors"]["choice_acc"]
    assert "asked for log-likelihoods, not for text" in error["message"]


def test_no_option_is_paid_twice(data: Path) -> None:
    run(data, limit=5)
    assert len(scored(data)) == 20
    run(data, batch_size=2)
    assert len(scored(data)) == 4 * QUESTIONS
    run(data, "Options", SUM, batch_size=3)
    assert len(scored(data)) == 4 * QUESTIONS


@pytest.mark.parametrize("fits", ["1", "3", "7"])
def test_a_batch_too_large_for_memory(data: Path, fits: str) -> None:
    result = run(data, model_args={"fits": fits}, batch_size=1)
    assert read_letters(result.path) == expected(data, mean=True)


def test_a_stream_of_text_questions(tmp_path: Path) -> None:
    """A lazy stream is taken in pieces; a prompt of text alone is the context."""
    asked: list[list[LoglikelihoodRequest]] = []

    class Recording(OptionScorer):
        def loglikelihood(self, requests: Any) -> Any:
            asked.append(list(requests))
            yield from super().loglikelihood(requests)

    settings = {CONTINUATIONS: [" one", " two", " one"]}
    requests = [Request(str(n), (Text(f"Q{n}"), Text("?")), "text", settings) for n in range(20)]
    found = list(respond(Recording(str(tmp_path / "log")), iter(requests)))
    assert [response.sample_id for response in found] == [str(n) for n in range(20)]
    assert [len(batch) for batch in asked] == [32, 8]
    assert asked[0][0] == LoglikelihoodRequest("Q0?", " one")
    value = json.loads(found[3].output.text)["loglikelihood"]
    assert value["options"] == settings[CONTINUATIONS]
    assert value["sum"][0] == value["sum"][2] == value_of(LoglikelihoodRequest("Q3?", " one"))[0]
    assert list(respond(Recording(str(tmp_path / "log")), iter(()))) == []


def test_a_batch_of_several_too_large_for_memory(data: Path) -> None:
    result = run(data, model_args={"fits": "5"}, batch_size=4)
    assert read_letters(result.path) == expected(data, mean=True)


@pytest.mark.parametrize(
    ("odd", "kind", "failing"),
    [
        ({"broken": "b long a"}, "ValueError", QUESTIONS),
        ({"nan": "c long answer"}, "NotFinite", QUESTIONS),
        ({"raises": "d long answer 4"}, "ArithmeticError", 1),
        ({"tokens": "no"}, "NoTokens", QUESTIONS),
    ],
)
def test_failures_are_counted(data: Path, odd: dict[str, str], kind: str, failing: int) -> None:
    result = run(data, model_args=odd)
    records = records_of(result.path, "seed_bench").values()
    failed = [r["error"] for r in records if r["status"] != "ok"]
    assert len(failed) == failing
    assert {(e["stage"], e["type"]) for e in failed} == {("generate", kind)}
    assert result.scores["seed_bench"]["choice_acc"]["n_failed"] == failing
    assert result.failed


def test_a_missing_image_fails_its_questions(data: Path) -> None:
    (data / "seed_bench" / "SEED-Bench-image" / "2_1").unlink()
    result = run(data)
    failed = [r for r in records_of(result.path, "seed_bench").values() if r["status"] != "ok"]
    assert {(r["id"], r["error"]["stage"]) for r in failed} == {(i, "data") for i in "258"}


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            "TextOnly",
            r"seed_bench.*loglikelihood.*after image, and this model gives them after text",
        ),
        ("Mute", r"seed_bench.*loglikelihood.*after text\+image, and this model gives none"),
    ],
)
def test_a_model_that_cannot(data: Path, model: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        run(data, model)
    assert not list((data.parent / "runs").glob("*/run.json"))


def test_a_task_without_such_a_prompt(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from mio_eval.tasks import get_task

    text = get_task("seed_bench").path.read_text(encoding="utf-8")
    start, end = text.index("likelihood:\n"), text.index("\ngeneration:")
    (tmp_path / "seed_bench.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    monkeypatch.setenv("MIO_EVAL_TASKS", str(tmp_path))
    with pytest.raises(UsageError, match="states no prompt; choose another rule"):
        run(data)


def test_killed_and_continued(data: Path) -> None:
    whole = run(data, out=str(data.parent / "whole"))
    (data.parent / "log.txt").unlink()
    command = [
        *("run", "--tasks", "seed_bench", "--data-dir", str(data), "--batch-size", "2"),
        *("--model", "engine.option_scorers:Options", "--set", MEAN),
        *("--model-args", f"log={data.parent / 'log.txt'},delay=0.02"),
        *("--out", str(data.parent / "runs")),
    ]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    launch = [sys.executable, "-c", LAUNCHER.format(""), *command]
    process = subprocess.Popen(launch, env=env, cwd=data.parent, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(scored(data)) < 18 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    (path,) = (file.parent for file in (data.parent / "runs").glob("*/run.json"))
    finished = {n for n, r in records_of(path, "seed_bench").items() if r["status"] == "ok"}
    assert 2 <= len(finished) < QUESTIONS
    before = len(scored(data))
    done = subprocess.run(launch, env=env, cwd=data.parent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    again = set(scored(data)[before:])
    # Options that bear the question's number show that no finished question was asked again.
    assert not {f"d long answer {name}" for name in finished} & again
    assert read_run(path)["results"] == read_run(whole.path)["results"]
    assert not verify(path).problems


def test_a_real_vision_language_model(data: Path) -> None:
    """A small random LLaVA through the `hf` backend; the values are those of its own method."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from models.hf import tiny

    from mio_eval.models import create_model

    folder = tiny.llava(data.parent / "llava")
    arguments = {"pretrained": str(folder), "device": "cpu"}
    result = evaluate(
        RunOptions(
            tasks=("seed_bench",),
            model="hf",
            model_args=arguments,
            metric_settings=(MEAN,),
            data_dir=str(data),
            out=str(data.parent / "runs"),
            limit=3,
        )
    )
    assert result.scores["seed_bench"]["choice_acc"]["n_scored"] == 3
    record = records_of(result.path, "seed_bench")["1"]
    held = json.loads(record["output"]["text"])["loglikelihood"]
    backend = create_model("hf", arguments)
    backend.load(("image", "text"), "text")
    picture = Image(data / "seed_bench" / "SEED-Bench-image" / "1_1")
    parts = (picture, Text("\nQuestion: What is 1?\nAnswer:"))
    asked = [LoglikelihoodRequest("", option, parts) for option in held["options"]]
    wanted = list(backend.loglikelihood(asked))
    assert held["sum"] == pytest.approx([w.logprob for w in wanted], abs=1e-4)
    assert held["tokens"] == [w.tokens for w in wanted]
    assert not verify(result.path).problems

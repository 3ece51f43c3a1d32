"""A real server: llama.cpp's, out of the package xllamacpp, with the packaged SmolLM2-135M."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from engine.worlds import SHIPPED, World, records_of
from models.openai.faulty_server import picture, tone

from mio_eval.errors import UsageError
from mio_eval.models import create_model
from mio_eval.models.loglikelihood import LoglikelihoodRequest
from mio_eval.models.starter.assets import ASSETS, fetch
from mio_eval.types import Image, Request, Text
from mio_eval.verify import verify

pytestmark = pytest.mark.starter

MODEL = "smollm2-135m-instruct"
KEY = "key-of-the-llama-server-0123456789"
SERVE = """
import sys, time, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.model_alias = {sys.argv[2]}
parameters.api_keys = [sys.argv[3]]
parameters.n_parallel, parameters.n_ctx = 2, 2048
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
time.sleep(600)
"""
QUESTIONS = [
    ("What color is the sky on a clear day?", "blue", ("green", "blue", "red", "black")),
    ("Which of these is a fruit?", "apple", ("apple", "stone", "car", "shoe")),
    ("What is the capital of France?", "Paris", ("Rome", "Berlin", "Paris", "Oslo")),
    ("How many legs has a dog?", "four", ("two", "three", "nine", "four")),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The base URL of a running server."""
    pytest.importorskip("xllamacpp")
    asset = ASSETS[MODEL]
    weights = fetch(asset) / next(iter(asset.files))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(weights), MODEL, KEY],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    yield f"{process.stdout.readline().strip()}/v1"
    process.kill()
    process.communicate()


@pytest.fixture
def llama(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made: list[Any] = []

    def make(**given: str) -> Any:
        made.append(create_model("openai", {"model": MODEL, "base_url": address, **given}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def write_questions(world: World) -> None:
    """Four questions in OmniBench's layout, and a task that shows their text alone."""
    root = world.data / "omnibench"
    (root / "mm_data" / "image").mkdir(parents=True)
    (root / "mm_data" / "audio").mkdir()
    (root / "mm_data" / "image" / "a.png").write_bytes(picture())
    (root / "mm_data" / "audio" / "a.wav").write_bytes(tone())
    rows = [
        {
            "index": number,
            "audio type": "Speech",
            "question": question,
            "options": list(options),
            "answer": answer,
            "image_path": "a.png",
            "audio_path": "a.wav",
        }
        for number, (question, answer, options) in enumerate(QUESTIONS)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "batch-5_1142_20240817.jsonl").write_text(lines)
    task = yaml.safe_load((SHIPPED / "omnibench.yaml").read_text(encoding="utf-8"))
    for name in ("published", "likelihood"):
        task.pop(name, None)
    task.update(name="text_choice", inputs=["text"])
    task["dataset"]["splits"] = {"all": {"expected": len(QUESTIONS)}}
    task["prompts"] = {"plain": "{question}\n{options}\nAnswer with the letter."}
    (world.tasks / "text_choice.yaml").write_text(yaml.safe_dump(task, sort_keys=False))


def test_a_whole_run_on_the_command_line(
    address: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write_questions(world)
    arguments = f"model={MODEL},base_url={address},price_in=1,price_out=2"
    command = [
        *("run", "--model", "openai", "--model-args", arguments, "--tasks", "text_choice"),
        *("--data-dir", str(world.data), "--out", str(world.out)),
    ]
    done = world.call(command)
    assert done.returncode == 0, done.stderr
    (run,) = world.runs()
    data = json.loads((run / "run.json").read_text())
    records = records_of(run, "text_choice")
    assert len(records) == len(QUESTIONS)
    for record in records.values():
        assert record["status"] == "ok"
        assert record["output"]["text"].strip()
        assert record["details"]["model"] == MODEL
        assert record["timing"]["usage"]["input_tokens"] > 20
        assert 0 < record["timing"]["usage"]["output_tokens"] <= 16
    total = data["usage"]["total"]
    cost = (total["input_tokens"] + 2 * total["output_tokens"]) / 1e6
    assert data["usage"]["cost"]["value"] == pytest.approx(cost)
    assert data["results"]["text_choice"]["choice_acc"]["n_scored"] == len(QUESTIONS)
    assert not verify(run).problems
    for path in world.out.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_several_at_once_are_answered_each_once(llama: Callable[..., Any]) -> None:
    settings = {"max_new_tokens": 8, "do_sample": False}
    requests = [Request(q, (Text(q),), "text", settings) for q, _, _ in QUESTIONS]
    for given in (requests, iter(requests)):
        responses = list(llama(max_concurrency="4").generate(given))
        assert sorted(r.sample_id for r in responses) == sorted(q for q, _, _ in QUESTIONS)
        assert all(isinstance(r.output, Text) and r.output.text for r in responses)


def test_a_short_limit_is_recorded_as_a_cut(llama: Callable[..., Any]) -> None:
    request = Request("1", (Text("Tell me a long story."),), "text", {"max_new_tokens": 3})
    (response,) = llama(logprobs="on").generate([request])
    assert response.details["finish_reason"] == "length"
    assert response.usage["cut_off"] == 1
    assert response.usage["output_tokens"] == len(response.details["logprobs"]) == 3
    assert "".join(token for token, _ in response.details["logprobs"]) == response.output.text
    request = Request("2", (Text("Once upon a"),), "text", {"max_new_tokens": 3})
    (plain,) = llama(api="completions").generate([request])
    assert plain.output.text.startswith(" time")  # continued, with no chat template around it
    assert plain.usage["output_tokens"] == 3


def test_its_missing_echo_is_found_out(llama: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="cannot score given text"):
        list(llama().loglikelihood([LoglikelihoodRequest("The sky is", " blue")]))


def test_an_image_it_cannot_read_fails_that_sample(llama: Callable[..., Any]) -> None:
    image = Image(load=picture, name="a.png")
    request = Request("1", (image, Text("What is it?")), "text")
    (response,) = llama(retries="0").generate([request])
    assert "image input is not supported" in response.failure.message


def test_a_wrong_name_key_or_address_is_said(
    llama: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(UsageError, match=f"no model 'smollm2'; it has {MODEL}"):
        llama(model="smollm2").load(["text"], "text")
    request = Request("1", (Text("Hello"),), "text")
    with pytest.raises(UsageError, match=r"HTTP404.*up to /v1"):
        list(llama(base_url=f"{address}/nowhere", check="off").generate([request]))
    monkeypatch.setenv("OPENAI_API_KEY", "another-key-0123456789")
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        list(llama().generate([request]))

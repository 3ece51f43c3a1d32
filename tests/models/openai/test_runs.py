"""Whole runs against a server: faults, secrets, kill -9, usage, and media both ways."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine.worlds import World, read_run, records_of, wait_until
from models.openai.conftest import KEY
from models.openai.faulty_server import FaultyServer

from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.errors import RunError, UsageError
from mio_eval.verify import verify

PASSING = ("429:0", "500", "503", "reset", "half", "badjson", "html", "html502", "error200")


def run(server: FaultyServer, world: World, *tasks: str, **arguments: Any) -> RunResult:
    options = {
        name: arguments.pop(name) for name in ("data", "judges", "limit") if name in arguments
    }
    model_args = {"model": "test-model", "base_url": server.url, **arguments}
    where = {} if options.get("data") == "sample" else {"data_dir": str(world.data)}
    return evaluate(
        Options(
            tasks=tasks,
            model="openai",
            model_args={name: str(value) for name, value in model_args.items()},
            out=str(world.out),
            **where,
            **options,
        )
    )


def all_bytes(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_a_clean_run_scores_every_sample(server: FaultyServer, world: World) -> None:
    result = run(server, world, "captions", price_in=2, price_out=10)
    assert result.data["status"] == "complete"
    records = records_of(result.path)
    assert len(records) == len(server.posts) == 12
    usage = result.data["usage"]
    assert usage["total"] == {"input_tokens": 120, "output_tokens": 72}
    assert usage["tasks"] == {"captions": usage["total"]}
    assert usage["cost"]["value"] == pytest.approx((120 * 2 + 72 * 10) / 1e6, abs=1e-12)
    assert usage["server"] == {"model": ["test-model-2026"], "fingerprint": ["fp_1"]}
    for record in records.values():
        assert record["details"]["finish_reason"] == "stop"
        assert record["timing"]["usage"] == {"input_tokens": 10, "output_tokens": 6}
    assert not verify(result.path).problems


def test_an_answer_shared_by_equal_samples_is_paid_once(server: FaultyServer, world: World) -> None:
    images = sorted((world.data / "coco" / "val2014").iterdir())
    images[1].write_bytes(images[0].read_bytes())
    result = run(server, world, "captions", price_in=1)
    assert len(records_of(result.path)) == 12
    assert len(server.posts) == 11
    assert result.data["usage"]["total"]["input_tokens"] == 110
    assert result.data["usage"]["n_unstated"] == 0
    again = run(server, world, "captions", price_in=1)
    assert again.path != result.path
    assert len(server.posts) == 11
    assert again.data["usage"]["total"] == {}
    assert again.data["usage"]["cost"]["value"] == 0


def test_a_run_through_faults_loses_and_doubles_nothing(server: FaultyServer, world: World) -> None:
    """Three of ten tries go wrong in some way; one sample is refused for good."""
    clean = run(server, world, "captions", "speech")
    chance = random.Random(7)
    before, asked = len(server.asked), {r["key"] for r in records_of(clean.path).values()}
    refused = server.posts[3].body

    def script(request: Any) -> str:
        if request.method != "POST":
            return ""
        if request.body == refused:
            return "400"
        return chance.choice(PASSING) if chance.random() < 0.3 else ""

    server.script = script
    out = world.root / "other"
    with_faults = evaluate(
        Options(
            tasks=("captions", "speech"),
            model="openai",
            model_args={"model": "test-model", "base_url": server.url, "retries": "30"},
            data_dir=str(world.data),
            out=str(out),
            max_failures="1",
        )
    )
    assert with_faults.data["status"] == "complete"
    tries = [a for a in server.asked[before:] if a.method == "POST"]
    assert len(tries) > 27, "no faults happened"
    failed = []
    for task in ("captions", "speech"):
        lines = (with_faults.path / task / "samples.jsonl").read_text().splitlines()
        ids = [json.loads(line)["id"] for line in lines]
        assert len(ids) == len(set(ids)) == 12
        good = records_of(clean.path, task)
        for name, record in records_of(with_faults.path, task).items():
            if record["status"] == "failed":
                failed.append(record["error"])
            else:
                assert record["output"] == good[name]["output"]
    assert len(asked) == 12
    assert [error["type"] for error in failed] == ["HTTP400"]
    assert with_faults.scores["captions"]["cider"]["n_failed"] == len(failed)
    assert not verify(with_faults.path).problems


def test_no_file_of_a_run_holds_the_key(server: FaultyServer, world: World) -> None:
    server.script = lambda asked: (
        "echo-key:400" if "post" in asked.method.lower() and asked.number == 1 else ""
    )
    server.extra = {"model": f"model of {KEY}"}
    result = run(server, world, "captions")
    assert result.data["status"] == "failed"
    failed = [r for r in records_of(result.path).values() if r["status"] == "failed"]
    assert len(failed) == 12
    assert all("[key]" in record["error"]["message"] for record in failed)
    files = dict(all_bytes(world.out))
    assert len(files) > 4
    assert not [path for path, data in files.items() if KEY.encode() in data]


def test_an_answer_that_repeats_the_key_is_kept_without_it(
    server: FaultyServer, world: World
) -> None:
    message = {"role": "assistant", "content": f"Your key is {KEY}!"}
    server.extra = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "system_fingerprint": KEY,
    }
    result = run(server, world, "captions", logprobs="on")
    assert {r["output"]["text"] for r in records_of(result.path).values()} == {"Your key is [key]!"}
    assert not [path for path, data in all_bytes(world.out) if KEY.encode() in data]


def test_after_kill_9_nothing_journalled_is_sent_again(server: FaultyServer, world: World) -> None:
    server.delay = 0.15
    arguments = f"model=test-model,base_url={server.url},max_concurrency=2"
    command = [
        *("run", "--model", "openai", "--model-args", arguments, "--tasks", "captions,speech"),
        *("--data-dir", str(world.data), "--out", str(world.out), "--no-cache"),
    ]
    process = world.spawn(command)
    wait_until(lambda: len(server.posts) >= 8, process)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    (killed,) = world.runs()
    paid = {name: r for name, r in records_of(killed).items() if r["status"] == "ok"}
    assert 0 < len(paid) < 24
    time.sleep(0.4)  # what was under way at the kill has ended at the server
    sent = {asked.body for asked in server.posts}
    before = len(server.posts)

    server.delay = 0
    done = world.call(command)
    assert done.returncode == 0, done.stderr
    assert world.runs() == [killed]
    assert read_run(killed)["status"] == "complete"
    again = [asked.body for asked in server.posts[before:]]
    assert len(again) == 24 - len(paid)
    assert len(again) == len(set(again))
    assert sum(body in sent for body in again) <= before - len(paid)
    records = records_of(killed)
    assert {name: records[name] for name in paid} == paid
    assert not verify(killed).problems


def test_a_run_stops_at_a_wrong_key_and_says_so(server: FaultyServer, world: World) -> None:
    server.script = lambda asked: "401" if asked.method == "POST" else ""
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        run(server, world, "captions")
    assert len(server.posts) < 12


def test_a_server_that_dies_stops_the_run_which_goes_on_later(
    server: FaultyServer, world: World
) -> None:
    server.script = lambda asked: "reset" if asked.order > 6 else ""
    with pytest.raises(RunError, match="run the same command again"):
        run(server, world, "captions", "speech", retries=1, max_concurrency=2)
    (stopped,) = world.runs()
    paid = {name for name, r in records_of(stopped).items() if r["status"] == "ok"}
    assert len(paid) == 6
    server.script = lambda asked: ""
    before = len(server.posts)
    result = run(server, world, "captions", "speech", retries=1, max_concurrency=2)
    assert result.path == stopped
    assert result.data["status"] == "complete"
    assert len(server.posts) - before == 24 - 6


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"model": "tset-model"}, "has no model 'tset-model'; it has test-model"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "no server answers at http://127.0.0.1:9/v1"),
        ({"base_url": "http://me:hunter2@127.0.0.1:9/v1"}, "holds credentials"),
        ({"voice": "", "tasks": "sounds"}, "give voice="),
    ],
)
def test_a_run_that_cannot_work_is_refused_at_once(
    server: FaultyServer, world: World, given: dict[str, str], expected: str
) -> None:
    task = given.pop("tasks", "captions")
    with pytest.raises(UsageError) as caught:
        run(server, world, task, **given)
    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert not server.posts
    for path, data in all_bytes(world.out):
        assert b"hunter2" not in data, path


def test_transcriptions_score_zero_errors_when_the_server_hears_right(
    server: FaultyServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled LibriSpeech sample, uploaded as it is, answered from the references."""
    monkeypatch.delenv("MIO_EVAL_TASKS")
    from mio_eval.data.sources import open_source
    from mio_eval.tasks import get_task

    for sample in open_source(get_task("librispeech"), "sample", None):
        sound = hashlib.sha256(sample.inputs["audio"].read()).hexdigest()
        server.transcripts[sound] = sample.references[0]
    result = run(server, world, "librispeech", data="sample", api="transcriptions", language="en")
    score = result.scores["librispeech"]["wer"]
    assert (score["value"], score["n_failed"]) == (0.0, 0)
    assert score["n_scored"] == len(server.transcripts) == len(server.posts) > 0
    form = server.posts[0].form
    assert {n: v.decode() for n, (_, v) in form.items() if n != "file"} == {
        "model": "test-model",
        "response_format": "json",
        "language": "en",
        "temperature": "0",
    }
    assert form["file"][0] == "audio.flac"


@pytest.mark.starter
def test_generated_images_reach_the_judges(
    server: FaultyServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIO_EVAL_TASKS")
    result = run(server, world, "coco_t2i", data="sample", judges=("clip=none", "aesthetic=none"))
    assert result.data["status"] == "complete"
    records = records_of(result.path, "coco_t2i")
    for record in records.values():
        image = (result.path / record["output"]["image"]).read_bytes()
        assert image.startswith(b"\x89PNG")
        assert hashlib.sha256(image).hexdigest() == record["output"]["sha256"]
    assert {asked.path for asked in server.posts} == {"/v1/images/generations"}
    assert {a.json["response_format"] for a in server.posts} == {"b64_json"}
    assert result.scores["coco_t2i"]["ssim"]["n_scored"] == len(records) > 0


@pytest.mark.starter
def test_generated_speech_is_transcribed_and_kept_as_it_came(
    server: FaultyServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server "speaks" with the recordings themselves, so the judges hear the right words."""
    monkeypatch.delenv("MIO_EVAL_TASKS")
    from mio_eval.data.sources import open_source
    from mio_eval.tasks import get_task

    recordings = {
        sample.inputs["text"].text: sample.targets["audio"].read()
        for sample in open_source(get_task("librispeech_tts"), "sample", None)
    }
    server.answer = lambda asked: recordings[asked.json["input"]]
    judges = ("asr=starter", "speaker=starter")
    result = run(server, world, "librispeech_tts", data="sample", voice="any", judges=judges)
    assert result.data["status"] == "complete"
    records = records_of(result.path, "librispeech_tts")
    assert len(records) == len(recordings) == len(server.posts)
    kept = {(result.path / r["output"]["audio"]).read_bytes() for r in records.values()}
    assert kept == set(recordings.values())
    assert {a.json["response_format"] for a in server.posts} == {"wav"}
    assert {a.json["voice"] for a in server.posts} == {"any"}
    scores = result.scores["librispeech_tts"]
    assert scores["wer"]["value"] < 15  # Whisper tiny.en on clean speech
    assert scores["speaker_sim"]["value"] == pytest.approx(100, abs=0.1)


def test_text_where_sound_was_asked_for_is_a_failure(server: FaultyServer, world: World) -> None:
    result = run(server, world, "sounds", voice="alloy", limit=1)
    assert result.data["status"] == "failed"
    (record,) = records_of(result.path, "sounds").values()
    assert record["error"]["type"] == "NoAudio"
    assert server.posts[0].json["modalities"] == ["text", "audio"]

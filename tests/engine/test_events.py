"""What a run tells programs: events, timings, and the options that decide how it goes."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.worlds import World, read_run, records_of, results_bytes

from mio_eval.engine import score
from mio_eval.engine.determinism import make_deterministic
from mio_eval.engine.events import JsonLog
from mio_eval.engine.options import parse_bytes
from mio_eval.engine.progress import Silent
from mio_eval.errors import UsageError

TASKS = ("captions", "speech")


def strict(line: str) -> Any:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    return json.loads(line, parse_constant=refuse)


def test_the_log_tells_the_course_of_a_run(world: World) -> None:
    script = world.script({"1003": "raise"})["script"]
    path = world.root / "log.jsonl"
    done = world.call(
        world.command(
            *("--log-json", str(path), "--batch-size", "5"),
            model="Scripted",
            model_args=f"script={script}",
        )
    )
    assert done.returncode == 4, done.stderr
    events = [strict(line) for line in path.read_text().splitlines()]
    (run,) = world.runs()
    data = read_run(run)
    names = [event["event"] for event in events]
    assert names[0] == "run_started"
    assert names[-1] == "finished"
    assert events[0]["tasks"] == list(TASKS)
    assert events[-1]["status"] == "failed"
    assert [e["task"] for e in events if e["event"] == "task_started"] == list(TASKS)
    (failure,) = (e for e in events if e["event"] == "failure")
    assert (failure["task"], failure["id"], failure["stage"]) == ("captions", "1003", "generate")
    (ended, _) = (e for e in events if e["event"] == "stage_finished")
    assert (ended["done"], ended["total"], ended["failed"]) == (12, 12, 1)
    assert ended["failures"] == {"generate": 1}
    scores = {e["task"]: e["scores"] for e in events if e["event"] == "scores"}
    assert scores == data["results"]
    generated = {e["task"]: e for e in events if e["event"] == "generated"}
    for task, timings in data["timings"].items():
        assert generated[task]["busy_share"] == timings["busy_share"]


def test_progress_comes_at_most_every_few_seconds(tmp_path: Path) -> None:
    now = [0.0]
    log = JsonLog(str(tmp_path / "log.jsonl"), every=5, clock=lambda: now[0])
    log.start("generate", "t", 100, 10)
    log.event("busy", share=0.5)
    for _ in range(20):
        now[0] += 1
        log.advance()
    log.close()
    lines = [strict(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    shown = [line for line in lines if line["event"] == "progress"]
    assert [line["done"] for line in shown] == [15, 20, 25, 30]
    assert [line["seconds_left"] for line in shown] == [85, 80, 75, 70]
    assert {line["samples_per_second"] for line in shown} == {1.0}
    assert shown[0]["busy_share"] == 0.5


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--log-json"):
        JsonLog(str(tmp_path / "no" / "log.jsonl"))


def test_timings_say_where_the_time_went(world: World) -> None:
    result = world.evaluate(model_args={"delay": "0.01"}, batch_size=4)
    timings = result.data["timings"]["captions"]
    assert timings["busy"] >= 12 * 0.01
    assert timings["generate"] >= timings["busy"]
    assert 0 < timings["busy_share"] <= 1
    assert timings["busy_share"] == pytest.approx(timings["busy"] / timings["generate"], rel=0.1)
    assert timings["samples_per_second"] == pytest.approx(12 / timings["generate"])
    assert {"load", "wait", "read", "decode", "annotate", "score"} <= timings.keys()
    assert timings["peak_memory"]["process"] > 1 << 20
    assert timings["batch"] == {
        "size": 4,
        "auto": False,
        "batches": {"4": 3},
        "out_of_memory": 0,
    }


def test_a_task_is_scored_while_the_next_is_generated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scoring of the first task waits for the second's generation, so they must overlap."""
    generating, real = threading.Event(), score.score_task

    class Course(Silent):
        def start(self, stage: str, task: str, total: int | None, done: int) -> None:
            if task == "speech":
                generating.set()

    def waiting(folder: Path, *rest: Any) -> Any:
        if folder.name == "captions":
            assert generating.wait(30), "the second task was not begun"
        return real(folder, *rest)

    monkeypatch.setattr("mio_eval.engine.run.score_task", waiting)
    result = world.evaluate(tasks=TASKS, progress=Course())
    monkeypatch.undo()
    monkeypatch.setenv("MIO_EVAL_TASKS", str(world.tasks))
    apart = world.evaluate(tasks=TASKS, overlap=False, out=str(world.root / "apart"))
    assert results_bytes(result.path) == results_bytes(apart.path)


def test_an_error_of_overlapped_scoring_ends_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path, *rest: Any) -> Any:
        time.sleep(0.05)
        raise ZeroDivisionError(folder.name)

    monkeypatch.setattr("mio_eval.engine.run.score_task", broken)
    with pytest.raises(ZeroDivisionError, match="captions"):
        world.evaluate(tasks=TASKS)
    (run,) = world.runs()
    assert read_run(run)["status"] == "failed"


def test_deterministic_seeds_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        drawn = []
        for _ in range(2):
            make_deterministic(7)
            drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
        assert drawn[0] == drawn[1]
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(before)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def test_deterministic_answers_are_kept_apart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mio_eval.engine.run.make_deterministic", lambda seed: None)
    plain = world.evaluate()
    result = world.evaluate(deterministic=True)
    assert len(world.started()) == 24, "answers of a free run are not used"
    assert result.data["plan"] != plain.data["plan"]
    assert result.data["options"]["deterministic"] is True
    keys = {r["key"] for r in records_of(plain.path).values()}
    assert not keys & {r["key"] for r in records_of(result.path).values()}
    with pytest.raises(UsageError, match="depend on timing"):
        world.evaluate(deterministic=True, batch_size="auto")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"batch_size": 0}, "--batch-size 0: expected a number from 1 up, or auto"),
        ({"batch_size": "many"}, "--batch-size many"),
        ({"prefetch_threads": 0}, "--prefetch-threads 0"),
        ({"engine": "rya"}, "unknown --engine 'rya'; did you mean ray"),
        ({"workers": 2}, "--workers 2 is an option of --engine ray"),
        ({"engine": "ray", "workers": 0}, "--workers 0"),
        ({"engine": "ray", "gpus_per_worker": -1.0}, "--gpus-per-worker -1"),
    ],
)
def test_wrong_options_are_named(world: World, option: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        world.evaluate(**option)
    assert str(refused.value).startswith(message)
    assert not world.runs()


def test_without_ray_the_extra_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'mio-eval\[ray\]'"):
        world.evaluate(engine="ray")


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("1GiB", 1 << 30), ("512 MiB", 1 << 29), ("2GB", 2 * 10**9), ("1.5k", 1500), ("100", 100)],
)
def test_amounts_of_memory(text: str, bytes_: int) -> None:
    assert parse_bytes(text) == bytes_


@pytest.mark.parametrize("text", ["", "GiB", "-1", "nan", "1TB?", "1 apple", "0"])
def test_no_amounts_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match="--prefetch-memory"):
        parse_bytes(text)


def test_an_address_without_a_cluster_is_refused_at_once(world: World) -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        pytest.skip("another test's cluster is in use")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"--address {address}: .*ray start --head"):
            world.evaluate(engine="ray", address=address)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's /proc")
def test_peak_memory_is_of_the_process_alone() -> None:
    """Linux's ru_maxrss of a new process begins with what its parent held."""
    child = "from mio_eval.engine.meter import process_peak; print(process_peak())"
    parent = (
        "import subprocess, sys; held = bytearray(400 << 20); "
        "sys.stdout.write(subprocess.check_output([sys.executable, '-c', sys.argv[1]], text=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent, child], capture_output=True, text=True, check=True
    )
    assert 5 << 20 < int(done.stdout) < 300 << 20

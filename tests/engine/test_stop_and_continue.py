"""Stopping a run on purpose, `--resume`, and two processes at one run directory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from engine.worlds import (
    World,
    finished_in,
    read_run,
    records_of,
    results_bytes,
    wait_until,
)

from mio_eval.engine import resume
from mio_eval.engine.rundir import RunDirectory
from mio_eval.errors import RunError, UsageError

SLOW = "delay=0.05"


def interrupted(world: World, number: signal.Signals = signal.SIGINT) -> Path:
    """A run stopped after its first answers."""
    process = world.spawn(world.command("--batch-size", "4", model_args=SLOW))
    wait_until(lambda: len(world.started()) >= 4, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    (run,) = world.runs()
    assert process.returncode == 4, stderr
    assert stderr.splitlines()[-1] == (
        f"mio-eval: stopped. Everything finished is kept; go on with: mio-eval run --resume {run}"
    )
    assert "Traceback" not in stderr
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_stopped_run_keeps_what_is_finished(world: World, number: signal.Signals) -> None:
    run = interrupted(world, number)
    data = read_run(run)
    assert (data["status"], data["reason"]) == ("failed", "interrupted")
    kept = finished_in(run)
    assert kept
    position = len(world.started())

    done = world.call(["run", "--resume", str(run), "--batch-size", "2"])
    assert done.returncode == 0, done.stderr
    assert world.runs() == [run]
    after = read_run(run)
    assert (after["status"], after["reason"]) == ("complete", None)
    assert after["started"] == data["started"]
    assert after["command"] == data["command"]
    assert after["options"]["batch_size"] == 2
    assert not set(world.started()[position:]) & kept
    whole = world.evaluate(tasks=("captions", "speech"), out=str(world.root / "whole"))
    assert results_bytes(run) == results_bytes(whole.path)


@pytest.mark.parametrize(
    "option",
    [
        ("--limit", "3"),
        ("--seed", "1"),
        ("--tasks", "captions"),
        ("--model", "starter"),
        ("--model-args", "version=2"),
        ("--prompt-style", "plain"),
        ("--separator", " "),
        ("--set", "wer.norm=none"),
        ("--data-dir", "elsewhere"),
        ("--allow-partial",),
    ],
    ids=lambda option: option[0],
)
def test_resume_refuses_to_change_the_numbers(
    world: World, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    from mio_eval.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["run", "--resume", str(world.root), *option])
    assert stop.value.code == 2
    assert f"{option[0]} cannot be changed" in capsys.readouterr().err


def test_resume_wants_a_run_directory(world: World) -> None:
    with pytest.raises(UsageError, match="is not a run directory"):
        resume(world.root, {})


def test_resume_refuses_a_changed_task_file(world: World) -> None:
    run = world.evaluate().path
    file = world.tasks / "captions.yaml"
    text = file.read_text()
    file.write_text(text.replace("max_new_tokens: 64", "max_new_tokens: 65"))
    before = (run / "run.json").read_bytes()
    with pytest.raises(UsageError, match="a task file or the data options changed"):
        resume(run, {})
    assert (run / "run.json").read_bytes() == before

    assert world.evaluate().path != run, "the changed task is another run"
    file.write_text(text)
    assert resume(run, {}).data["status"] == "complete"


def test_resume_refuses_another_model(world: World) -> None:
    predictions = world.root / "p.jsonl"
    lines = [f'{{"id":"{1000 + i}","text":"a cat"}}\n' for i in range(12)]
    predictions.write_text("".join(lines))
    command = ["run", "--model", "predictions", "--model-args", f"path={predictions}"]
    command += ["--tasks", "captions", "--data-dir", str(world.data), "--out", str(world.out)]
    done = world.call(command)
    assert done.returncode == 0, done.stderr
    (run,) = world.runs()
    predictions.write_text("".join(lines).replace("cat", "dog"))
    refused = world.call(["run", "--resume", str(run)])
    assert refused.returncode == 2
    assert "the model, a task file or the data options changed" in refused.stderr


def test_data_changed_since_the_start_are_not_mixed(world: World) -> None:
    """Answers to the old data must not be scored beside answers to the new."""
    run = world.evaluate().path
    image = world.data / "coco" / "val2014" / "COCO_val2014_000000001003.jpg"
    old = image.read_bytes()
    image.write_bytes(old + b"\0")
    with pytest.raises(RunError, match=r"data of captions changed since .*'1003' differs"):
        resume(run, {})
    assert len(finished_in(run)) == 12
    image.write_bytes(old)
    assert resume(run, {}).data["status"] == "complete"

    karpathy = world.data / "coco" / "dataset_coco.json"
    text = karpathy.read_text()
    karpathy.write_text(text.replace('"cocoid": 1005', '"cocoid": 5'))
    with pytest.raises(RunError, match="'1005' is no longer there"):
        resume(run, {})
    karpathy.write_text(text.replace("A cat sits on a mat.", "A cat sleeps."))
    with pytest.raises(RunError, match="'1000' differs"):
        resume(run, {})
    assert len(world.started()) in (12, 13)  # sample 5 was new


def test_a_second_process_is_refused_while_the_first_runs(world: World) -> None:
    command = world.command("--batch-size", "4", model_args="delay=0.4")
    first = world.spawn(command)
    wait_until(world.started, first)
    (run,) = world.runs()
    for arguments in (command, ["run", "--resume", str(run)], ["score", str(run)]):
        second = world.call(arguments)
        assert second.returncode == 4, second.stderr
        assert f"run {run} is in use by another process" in second.stderr
        assert "Traceback" not in second.stderr
    first.terminate()
    first.communicate(timeout=60)
    assert first.returncode == 4
    assert 0 < len(finished_in(run)) < 24


def test_a_run_that_another_process_just_finished_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.evaluate()
    running = {**read_run(first.path), "status": "running"}
    real, calls = RunDirectory.read, []

    def read(self: RunDirectory) -> object:
        calls.append(self.path)
        return running if len(calls) == 1 else real(self)

    monkeypatch.setattr(RunDirectory, "read", read)
    assert world.evaluate().path != first.path
    RunDirectory(first.path).lock()


def test_a_complete_run_is_not_touched_again(world: World) -> None:
    first = world.evaluate()
    before = (first.path / "run.json").read_bytes()
    second = world.evaluate()
    assert second.path != first.path
    assert (first.path / "run.json").read_bytes() == before
    assert second.scores == first.scores
    assert len(world.started()) == 12
    assert {r["timing"]["cached"] for r in records_of(second.path).values()} == {True}


def test_an_error_of_our_own_leaves_the_run_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("mio_eval.engine.run.score_task", broken)
    with pytest.raises(ZeroDivisionError):
        world.evaluate()
    (run,) = world.runs()
    data = read_run(run)
    assert data["status"] == "failed"
    assert data["reason"] == "internal error: ZeroDivisionError: a bug"
    monkeypatch.undo()


def test_a_report_that_cannot_be_written_does_not_hide_the_scores(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mio_eval.cli import main

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mio_eval.report.write_report", full)
    with pytest.raises(SystemExit) as stop:
        main(world.command())
    assert stop.value.code == 4
    (run,) = world.runs()
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"mio-eval: cannot write the report into {run}: No space left on device. "
        f"The scores are in run.json; print them with: mio-eval report {run}"
    )
    assert read_run(run)["status"] == "complete"

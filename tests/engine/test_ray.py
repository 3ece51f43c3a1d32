"""Workers in a real local Ray cluster: the same scores as without, whoever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from engine.worlds import World, finished_in, read_run, records_of, results_bytes, wait_until

from mio_eval.verify import verify

ray = pytest.importorskip("ray")

TASKS = ("captions", "speech")
OPTIONS: dict[str, Any] = {"tasks": TASKS, "batch_size": 2, "engine": "ray", "workers": 2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """One cluster for the module, as starting it takes seconds; gives its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",  # not a cluster that happens to run here
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=80 << 20,
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


def mortal(world: World, name: str, **model_args: object) -> Any:
    """Run a model that dies, on two workers."""
    arguments = {"log": world.log, **model_args}
    from mio_eval.engine import Options, evaluate

    return evaluate(
        Options(
            model="engine.ray_models:Mortal",
            model_args={key: str(value) for key, value in arguments.items()},
            data_dir=str(world.data),
            out=str(world.root / name),
            **OPTIONS,
        )
    )


def test_two_workers_give_the_scores_of_one_process(world: World, cluster: str) -> None:
    whole = world.evaluate(tasks=TASKS, out=str(world.root / "whole"))
    world.log.unlink()

    result = world.evaluate(**OPTIONS)
    assert json.dumps(result.scores) == json.dumps(whole.scores)
    assert result.data["data"] == whole.data["data"]
    assert not verify(result.path).problems
    assert sorted(world.started()) == sorted(
        name for task in TASKS for name in records_of(whole.path, task)
    )
    timings = result.data["timings"]["captions"]
    assert (timings["workers"], timings["replaced"]) == (2, 0)
    assert all(batch["batches"] for batch in timings["batch"]), "one worker did nothing"


def test_a_killed_worker_is_replaced_and_its_requests_asked_again(
    world: World, cluster: str
) -> None:
    whole = world.evaluate(tasks=TASKS, out=str(world.root / "whole"))
    result = mortal(world, "once", once="1004", mark=world.root / "mark")
    assert (world.root / "mark").exists()
    assert json.dumps(result.scores) == json.dumps(whole.scores)
    assert result.data["timings"]["captions"]["replaced"] == 1


def test_a_request_that_kills_every_worker_fails_alone(world: World, cluster: str) -> None:
    result = mortal(world, "poison", poison="1004")
    records = records_of(result.path)
    failed = {name: r["error"] for name, r in records.items() if r["status"] != "ok"}
    assert failed.keys() == {"1004"}
    assert (failed["1004"]["stage"], failed["1004"]["type"]) == ("generate", "WorkerDied")
    assert "3 times" in failed["1004"]["message"]
    assert len(records) == 12
    assert result.failed
    assert not result.data["tasks"]["speech"]["n_failed"]


def test_a_killed_run_goes_on(world: World, cluster: str) -> None:
    whole = world.evaluate(tasks=TASKS, out=str(world.root / "whole"), batch_size=4)
    world.log.unlink()
    engine = ("--engine", "ray", "--address", cluster, "--workers", "2", "--batch-size", "1")
    process = world.spawn(world.command(*engine, "--no-cache", model_args="delay=0.2"))
    wait_until(lambda: world.runs() and len(finished_in(world.runs()[0])) >= 2, process, 100)
    process.kill()
    process.communicate()
    (run,) = world.runs()
    kept, position = finished_in(run), len(world.started())
    assert 2 <= len(kept) < 24

    from mio_eval.engine import resume

    resume(run, {"address": None})
    assert read_run(run)["status"] == "complete"
    assert results_bytes(run) == results_bytes(whole.path)
    # What the dead process's workers had begun may be written to the log after the kill.
    again = set(world.started()[position:])
    assert not again & kept
    assert [path.name for path in Path(run).rglob(".*")] == [".lock"]


def test_a_worker_with_another_model_is_refused(world: World) -> None:
    """Its answers would be kept, and cached, under the name of the run's own model."""
    from mio_eval.engine.ray_worker import Setup, Worker
    from mio_eval.models import create_model

    arguments = {"log": str(world.log)}
    setup = Setup(
        model="engine.backends_for_tests:Counting",
        model_args={**arguments, "version": "2"},
        path=(),
        allow_partial=False,
        deterministic=False,
        seed=0,
        timeout=5.0,
        batch_size=2,
        auto=False,
        threads=1,
        prefetch_bytes=1 << 20,
    )
    wanted = create_model(setup.model, arguments).identity().to_json()
    error = Worker(asdict(setup)).load(["image"], "text", wanted)
    assert error is not None
    assert error["exit_code"] == 2
    assert 'another model than the run: version "2" instead of "1"' in error["text"]
    assert (
        Worker(asdict(replace(setup, model_args=arguments))).load(["image"], "text", wanted) is None
    )

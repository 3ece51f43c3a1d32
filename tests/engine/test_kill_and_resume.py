"""A run killed at any point goes on: the same numbers, and no finished request sent again."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from engine.worlds import (
    World,
    finished_in,
    read_run,
    records_of,
    results_bytes,
    wait_until,
)

from mio_eval.engine.rundir import RunDirectory
from mio_eval.engine.score import Rows
from mio_eval.verify import verify

KILLS = 5  # in each of four rounds
SLOW = "delay=0.06"
TASKS = ("captions", "speech")


def cached_keys(out: Path) -> set[str]:
    database = out / ".cache" / "responses.sqlite"
    if not database.exists():
        return set()
    connection = sqlite3.connect(database, timeout=30)
    try:
        return {row[0].hex() for row in connection.execute("SELECT key FROM responses")}
    except sqlite3.OperationalError:
        return set()  # killed before the table was made
    finally:
        connection.close()


def kill_somewhere(world: World, stage: str, chance: random.Random, *options: str) -> bool:
    """Start the run and kill it inside a stage; tell whether the kill came before its end."""
    before = len(world.started())
    process = world.spawn(world.command("--batch-size", "4", *options, model_args=SLOW))
    if stage == "start":
        time.sleep(chance.uniform(0, 0.6))
    elif stage == "generate":
        wanted = before + chance.randint(1, 5)
        wait_until(lambda: len(world.started()) >= wanted, process)
        time.sleep(chance.uniform(0, 0.04))
    else:
        wait_until(lambda: world.runs() and len(records_of(world.runs()[-1], stage)) == 12, process)
        time.sleep(chance.uniform(0, 0.05))
    process.kill()
    process.communicate()
    return process.returncode == -9


@pytest.mark.parametrize("seed", range(4))
def test_the_same_command_continues_after_kill_9(world: World, seed: int) -> None:
    whole = world.evaluate(tasks=TASKS, out=str(world.root / "whole"), batch_size=4)
    world.log.unlink()
    chance = random.Random(seed)
    stages = ["start", "generate", "captions", "generate", "speech"]
    if seed % 2:
        stages = ["generate", "start", "generate", "captions", "start"]
    assert len(stages) == KILLS
    options = ("--no-cache",) if seed > 1 else ()  # then the journal alone must remember

    segments: list[tuple[int, set[str], set[str]]] = []
    landed = 0
    for stage in stages:
        landed += kill_somewhere(world, stage, chance, *options)
        runs = world.runs()
        assert len(runs) <= 1
        paid = finished_in(runs[0]) if runs else set()
        segments.append((len(world.started()), paid, cached_keys(world.out)))
        if runs and read_run(runs[0])["status"] == "complete":
            break
    else:
        done = world.call(world.command("--batch-size", "4", *options, model_args=SLOW))
        assert done.returncode == 0, done.stderr
    assert landed >= KILLS - 1, "the kills came too late to test anything"

    (run,) = world.runs()
    assert read_run(run)["status"] == "complete"
    assert results_bytes(run) == results_bytes(whole.path)
    assert not verify(run).problems
    again = RunDirectory(run)
    again.lock()  # whoever writes next sweeps: the last kill may have come within the report
    again.unlock()
    assert [path.name for path in run.rglob(".*")] == [".lock"], "temporary files left behind"

    started = world.started()
    keys = {name: r["key"] for task in TASKS for name, r in records_of(run, task).items()}
    assert set(keys) == set(started)
    for position, paid, cached in segments:
        repeated = set(started[position:])
        assert not repeated & paid
        assert not {name for name in repeated if keys[name] in cached}


def test_another_limit_batch_size_and_order_pay_for_nothing_twice(world: World) -> None:
    whole = world.evaluate(tasks=TASKS)
    paid = len(world.started())

    part = world.evaluate(tasks=TASKS[::-1], limit=7, batch_size=3)
    order = world.evaluate(tasks=TASKS[::-1], batch_size=5)

    assert len(world.started()) == paid == 24
    assert len({whole.path, part.path, order.path}) == 3
    for task in TASKS:
        stats = records_of(whole.path, task, "stats.jsonl")
        fewer = records_of(part.path, task, "stats.jsonl")
        assert len(fewer) == 7
        assert fewer == {name: stats[name] for name in fewer}
        assert all(r["timing"]["cached"] for r in records_of(order.path, task).values())
    for task in TASKS:
        assert str(order.scores[task]) == str(whole.scores[task])
        assert order.data["data"][task]["sha256"] == whole.data["data"][task]["sha256"]


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_run_pays_for_a_different_run(world: World, seed: int) -> None:
    """What was finished before a kill is found by a run with another limit and task order."""
    assert kill_somewhere(world, "generate", random.Random(100 + seed))
    (killed,) = world.runs()
    paid, position = finished_in(killed), len(world.started())

    other = world.evaluate(tasks=TASKS[::-1], limit=10, batch_size=3, model_args={"delay": "0.03"})
    assert other.path != killed
    assert not set(world.started()[position:]) & paid
    assert len(records_of(other.path)) == len(records_of(other.path, "speech")) == 10


def test_rows_of_the_journal_may_be_in_any_order(world: World) -> None:
    """The order of answers is chance; values and intervals must not follow it."""
    first = world.evaluate(tasks=TASKS)
    for task in TASKS:
        path = first.path / task / "samples.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        random.Random(3).shuffle(lines)
        path.write_bytes(b"".join(lines))
    data = read_run(first.path)
    data["status"] = "failed"
    (first.path / "run.json").write_text(json.dumps(data))
    again = world.evaluate(tasks=TASKS)
    assert again.path == first.path
    assert again.scores == first.scores
    assert again.data["data"] == first.data["data"]
    assert len(world.started()) == 24


def test_statistics_are_put_in_one_order() -> None:
    """Sums within a cluster round by order, so rows are sorted by id, whole or in windows."""
    order = list(range(50))
    ordered = [(np.array([[0.1 * i]]), str(i), f"c{i % 3}") for i in order]
    random.Random(0).shuffle(order)
    mixed = [ordered[i] for i in order]
    results = []
    for rows in (ordered, mixed):
        blocks, ids, clusters = (list(column) for column in zip(*rows, strict=True))
        values, groups = Rows(ids, clusters, blocks).ordered(1)
        results.append((values.tolist(), groups))
    assert results[0] == results[1]

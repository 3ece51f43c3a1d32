"""A disk that takes no more: one clear line, nothing lost, and the run goes on afterwards."""

from __future__ import annotations

import sqlite3

import pytest
from engine.worlds import World, finished_in, read_run, records_of, results_bytes

from mio_eval.verify import verify

resource = pytest.importorskip("resource")

# No file may grow beyond a limit: each write past it is refused, as by a full disk.
LIMIT = (
    "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
)
PADDED = "padding=3000"


def started_but_not_kept(world: World) -> int:
    (run,) = world.runs()
    return len(set(world.started()) - finished_in(run))


def goes_on_as_if_nothing_happened(world: World, *extra: str, model_args: str = PADDED) -> None:
    (run,) = world.runs()
    kept, position = finished_in(run), len(world.started())
    done = world.call(world.command(*extra, model_args=model_args))
    assert done.returncode == 0, done.stderr
    assert world.runs() == [run]
    assert not set(world.started()[position:]) & kept
    assert len(finished_in(run)) == 24
    whole = world.evaluate(
        tasks=("captions", "speech"),
        model_args=dict(pair.split("=") for pair in model_args.split(",")),
        out=str(world.root / "whole"),
    )
    assert results_bytes(run) == results_bytes(whole.path)


def test_a_full_journal(world: World) -> None:
    command = world.command("--no-cache", "--batch-size", "1", model_args=PADDED)
    done = world.call(command, LIMIT.format(24_000))
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    (run,) = world.runs()
    assert last == (
        f"mio-eval: cannot write {run / 'captions' / 'samples.jsonl'}: File too large. "
        "Everything finished is kept; free space, then run the same command again"
    )
    assert "Traceback" not in done.stderr
    journal = (run / "captions" / "samples.jsonl").read_bytes()
    assert journal.endswith(b"\n"), "the torn line was taken back"
    assert 3 <= len(records_of(run)) < 12
    assert started_but_not_kept(world) <= 2  # the one refused, and one begun meanwhile
    assert read_run(run)["status"] == "failed"
    assert "File too large" in read_run(run)["reason"]
    goes_on_as_if_nothing_happened(world, "--no-cache")


def test_a_full_response_cache(world: World) -> None:
    command = world.command("--batch-size", "1", model_args="padding=1500")
    done = world.call(command, LIMIT.format(36_000))
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"mio-eval: response cache {world.out / '.cache' / 'responses.sqlite'}")
    assert last.endswith("free space or move the file away, then run the same command again")
    assert "Traceback" not in done.stderr
    (run,) = world.runs()
    assert finished_in(run)
    assert started_but_not_kept(world) <= 1, "the response that the cache refused is journalled"

    database = sqlite3.connect(world.out / ".cache" / "responses.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    goes_on_as_if_nothing_happened(world, model_args="padding=1500")


def test_a_disk_full_while_scoring(world: World) -> None:
    """Journals fit, the whole files that scoring writes do not."""
    run = world.evaluate(tasks=("captions", "speech"), model_args={"padding": 20}).path
    before = results_bytes(run)
    sizes = {path.name: path.stat().st_size for path in (run / "speech").iterdir()}
    assert sizes["stats.jsonl"] > 1000
    done = world.call(["score", str(run)], LIMIT.format(sizes["stats.jsonl"] // 2))
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("mio-eval: ")
    assert "File too large" in done.stderr.splitlines()[-1]
    assert results_bytes(run) == before
    assert verify(run).ok
    assert not list(run.rglob(".*.jsonl.*")), "no half-written file stays"


def test_a_disk_full_at_the_start(world: World) -> None:
    """Not even run.json fits."""
    done = world.call(world.command(model_args=PADDED), LIMIT.format(1000))
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert "run.json: File too large" in last
    assert "Traceback" not in done.stderr
    assert not world.started()
    assert not world.evaluate().failed

"""Finished responses are found again by content, and shared with nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from engine.worlds import World, finished_in, records_of, write_task

from mio_eval.engine import Options, evaluate
from mio_eval.engine.cache import ResponseCache, link_or_copy
from mio_eval.errors import RunError

KEY = "ab" * 32


def same_image(world: World, first: int, second: int) -> None:
    """Give two COCO images the same content under different names."""
    folder = world.data / "coco" / "val2014"
    name = "COCO_val2014_{:012d}.jpg"
    shutil.copyfile(folder / name.format(first), folder / name.format(second))


@pytest.mark.parametrize("batch_size", [16, 1])
def test_equal_content_is_sent_once(world: World, batch_size: int) -> None:
    same_image(world, 1001, 1009)
    result = world.evaluate(batch_size=batch_size)
    records = records_of(result.path)
    assert len(world.started()) == 11
    assert "1009" not in world.started()
    assert records["1001"]["key"] == records["1009"]["key"]
    assert records["1001"]["output"] == records["1009"]["output"]
    assert records["1001"]["references"] != records["1009"]["references"]
    assert {s["n_scored"] for s in result.scores["captions"].values()} == {12}


def test_twins_of_a_failed_request_fail_with_it(world: World) -> None:
    same_image(world, 1001, 1003)
    result = world.evaluate("Scripted", model_args=world.script({"1001": "raise"}), batch_size=4)
    failed = {n for n, r in records_of(result.path).items() if r["status"] == "failed"}
    assert failed == {"1001", "1003"}


def test_failures_are_not_cached(world: World) -> None:
    script = world.script({"1001": "raise"})
    world.evaluate("Scripted", model_args=script, max_failures="1")
    world.script({})
    result = world.evaluate("Scripted", model_args=script)
    assert not result.failed
    assert world.started()[12:] == ["1001"]


def test_answers_by_sample_id_are_not_shared(world: World) -> None:
    same_image(world, 1001, 1009)
    path = world.root / "p.jsonl"
    path.write_text("".join(f'{{"id":"{1000 + i}","text":"text {i}"}}\n' for i in range(12)))
    options: dict[str, Any] = {"data_dir": str(world.data), "out": str(world.out)}
    model = {"model": "predictions", "model_args": {"path": str(path)}}
    for _ in range(2):  # the second is answered from the cache
        result = evaluate(Options(("captions",), **model, **options))
        texts = {n: r["output"]["text"] for n, r in records_of(result.path).items()}
        assert texts == {str(1000 + i): f"text {i}" for i in range(12)}


def test_without_the_cache_nothing_is_read_or_written(world: World) -> None:
    world.evaluate(cache=False)
    assert not (world.out / ".cache").exists()
    world.evaluate()
    assert len(world.started()) == 24
    world.evaluate(cache=False)
    assert len(world.started()) == 36


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"prompt_style": "mio-base"},
        {"model_args": {"version": "2"}},
        {"prompt_style": "mio-instruct", "separator": " "},
    ],
    ids=str,
)
def test_what_changes_an_answer_is_not_shared(world: World, change: dict[str, Any]) -> None:
    base = {"prompt_style": "mio-instruct"} if "separator" in change else {}
    world.evaluate(**base)
    assert len(world.started()) == 12
    world.evaluate(**change)
    assert len(world.started()) == 24
    world.evaluate(**change)
    assert len(world.started()) == 24


def test_generation_settings_are_part_of_the_key(world: World) -> None:
    world.evaluate()
    write_task(
        world.tasks,
        "coco_caption",
        "captions",
        metrics=["cider", "bleu4", "rouge_l"],
        generation={"max_new_tokens": 8},
    )
    world.evaluate()
    assert len(world.started()) == 24


def test_what_only_changes_the_way_is_shared(world: World) -> None:
    """Another metric list, batch size, timeout or folder of data asks for nothing again."""
    world.evaluate()
    write_task(world.tasks, "coco_caption", "captions", metrics=["rouge_l"])
    moved = world.root / "moved"
    shutil.move(world.data, moved)
    world.evaluate(batch_size=3, timeout=5, max_failures="3", data_dir=str(moved))
    assert len(world.started()) == 12


def test_two_processes_fill_one_cache(world: World) -> None:
    commands = [world.command("--limit", n, model_args="delay=0.01") for n in ("11", "12")]
    processes = [world.spawn(command) for command in commands]
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    first, second = world.runs()
    assert finished_in(first) | finished_in(second) == set(world.started())
    assert len(finished_in(first)) + len(finished_in(second)) == 46
    position = len(world.started())
    world.evaluate(tasks=("speech", "captions"), model_args={"delay": 0.01}, seed=0)
    assert len(world.started()) == position


def test_a_damaged_database_is_named(world: World) -> None:
    folder = world.out / ".cache"
    folder.mkdir(parents=True)
    (folder / "responses.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"response cache .*responses\.sqlite: .*move the file away"):
        world.evaluate()
    (folder / "responses.sqlite").unlink()
    (folder / "responses.sqlite").mkdir()
    with pytest.raises(RunError, match=r"response cache .*responses\.sqlite: unable to open"):
        world.evaluate()


def test_a_response_is_journalled_although_the_cache_refuses_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ResponseCache, entries: object) -> None:
        raise self._error(sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(ResponseCache, "put_all", full)
    with pytest.raises(RunError, match="database or disk is full"):
        world.evaluate(batch_size=1)
    monkeypatch.undo()
    monkeypatch.setenv("MIO_EVAL_TASKS", str(world.tasks))
    (run,) = world.runs()
    kept = finished_in(run)
    assert len(kept) == 1
    position = len(world.started())
    assert world.evaluate(batch_size=1).path == run
    assert not kept & set(world.started()[position:])


def test_a_batch_that_failed_does_not_need_the_cache(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    cache.close()  # any statement would now raise
    cache.put_all([])


def test_the_first_record_stays(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    cache.put(KEY, {"output": {"text": "one"}})
    cache.put(KEY, {"output": {"text": "two"}})
    assert cache.get(KEY) == {"output": {"text": "one"}}
    assert cache.get("cd" * 32) is None
    cache.close()
    assert ResponseCache(tmp_path).get(KEY) == {"output": {"text": "one"}}


def test_link_or_copy_copies_whole_where_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"medium")

    def refused(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)
    link_or_copy(source, tmp_path / "a" / "target")
    assert (tmp_path / "a" / "target").read_bytes() == b"medium"

    def torn(source: object, target: str) -> None:
        Path(target).write_bytes(b"med")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", torn)
    with pytest.raises(OSError, match="No space left"):
        link_or_copy(source, tmp_path / "b" / "target")
    assert not list((tmp_path / "b").iterdir())

"""The journal: whole lines survive anything, a torn end is repaired, damage is named."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from engine.worlds import World, finished_in, records_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mio_eval.engine import resume
from mio_eval.engine.journal import Journal, read_journal, repair_journal
from mio_eval.engine.progress import Silent
from mio_eval.engine.rescore import rescore
from mio_eval.errors import RunError, UsageError


def record(name: str, text: str = "x", status: str = "ok", **rest: object) -> dict[str, Any]:
    return {"id": name, "status": status, "output": {"text": text}, "content": f"c{name}", **rest}


def write(path: Path, records: list[dict[str, Any]]) -> bytes:
    with Journal(path) as journal:
        for item in records:
            journal.append(item)
    return path.read_bytes()


texts = st.lists(
    st.text(st.characters(codec="utf-8") | st.sampled_from('\n\r\u2028"\\\x00{}')), max_size=5
)


@given(texts=texts, data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_truncation_leaves_exactly_the_whole_records(
    texts: list[str], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        records = [record(str(i), text) for i, text in enumerate(texts)]
        whole = write(path, records)
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        count = whole[:cut].count(b"\n")

        assert list(read_journal(path)) == records[:count]
        assert repair_journal(path) == {str(i): f"c{i}" for i in range(count)}
        assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:count])

        with Journal(path) as journal:  # what comes next starts on its own line
            journal.append(record("next"))
        assert list(read_journal(path)) == [*records[:count], record("next")]


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | st.text()


@given(st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=150, deadline=None)
def test_a_record_is_read_as_it_was_written(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        write(path, [record("a", meta=value)])
        (read,) = read_journal(path)
        assert read == record("a", meta=value)
        assert repr(read["meta"]) == repr(value)  # 1 is not 1.0, nor 0.0 -0.0


def test_escapes_of_lone_surrogates_are_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text('{"id":"\\ud800","status":"ok"}\n{"id":"b","status":"ok"}\n')
    assert [row["id"] for row in read_journal(path)] == ["\ud800", "b"]


def test_lone_surrogates_are_replaced_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, [record("a\udfff", "\ud800é", references=["\udc00"], meta={"k\ud800": [1]})])
    (read,) = read_journal(path)
    assert read["id"] == "a\ufffd"
    assert read["output"] == {"text": "\ufffdé"}
    assert read["references"] == ["\ufffd"]
    assert read["meta"] == {"k\ufffd": [1]}


@pytest.mark.parametrize(
    "torn",
    [
        b'{"id":"z","status":"ok"}',  # whole JSON, but the line has no end
        b'{"id":"z","status":"o',
        b"7",
        b"\x00\x00\x00\x00",
        b"\xff\xfe\xfd",
        b"\x00\x00\n",
    ],
)
def test_a_torn_end_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    whole = write(path, [record("a"), record("b")])
    path.write_bytes(whole + torn)
    assert [r["id"] for r in read_journal(path)] == ["a", "b"]
    assert set(repair_journal(path)) == {"a", "b"}
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"{", b"", b"7", b"null", b"[]", b"\x00\x00", b'"id"', b"\xff"])
def test_damage_elsewhere_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    lines = write(path, [record(name) for name in "abcd"]).splitlines()
    lines[2] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = path.read_bytes()
    for use in (repair_journal, lambda p: list(read_journal(p))):
        with pytest.raises(RunError, match=r"samples\.jsonl line 3 is damaged"):
            use(path)
    assert path.read_bytes() == before


def test_failed_and_double_records_are_dropped_and_the_file_left_alone_otherwise(
    tmp_path: Path,
) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, [record("a"), record("b", status="failed"), record("c"), record("a", "other")])
    assert repair_journal(path) == {"a": "ca", "c": "cc"}
    assert [r["output"]["text"] for r in read_journal(path)] == ["x", "x"]
    inode = path.stat().st_ino
    repair_journal(path)
    assert path.stat().st_ino == inode
    assert repair_journal(tmp_path / "absent.jsonl") == {}


def test_a_refused_write_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "samples.jsonl"
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 40:
            return real(handle, data[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(path) as journal:
        journal.append(record("a"))
        whole = path.read_bytes()
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(RunError, match=r"cannot write .*No space left .* is kept; free space"):
            journal.append(record("b", "long " * 100))
        monkeypatch.undo()
        assert path.read_bytes() == whole
        journal.append(record("c"))
    assert [r["id"] for r in read_journal(path)] == ["a", "c"]


@pytest.mark.parametrize("end", [b"", b'{"id":"1011","status":"ok"}', b'{"id":'])
def test_a_run_goes_on_after_a_torn_line(world: World, end: bytes) -> None:
    first = world.evaluate()
    path = first.path / "captions" / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + end)
    (first.path / "captions" / "stats.jsonl").unlink()
    lost = json.loads(lines[-1])["id"]

    again = resume(first.path, {"cache": False})
    assert again.scores == first.scores
    assert world.started()[12:] == [lost]
    assert finished_in(first.path, "captions") == {str(1000 + i) for i in range(12)}


def test_a_run_with_damage_in_the_middle_says_so(world: World) -> None:
    run = world.evaluate().path
    path = run / "captions" / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4][:50] + b"\n"
    path.write_bytes(b"".join(lines))
    done = world.call(["run", "--resume", str(run)])
    assert done.returncode == 4
    assert f"mio-eval: {path} line 5 is damaged; restore the file" in done.stderr
    assert "Traceback" not in done.stderr


def test_scoring_again_wants_a_run_directory(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match="is not a run directory"):
            rescore(path, (), Silent())
    assert not list(tmp_path.iterdir())


def test_scoring_again_refuses_a_journal_that_lost_samples(world: World) -> None:
    """A score over fewer samples than the run had must not look complete."""
    run = world.evaluate().path
    path = run / "captions" / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RunError, match="holds 11 samples, the run had 12"):
        rescore(run, (), Silent())
    assert len(records_of(run)) == 11

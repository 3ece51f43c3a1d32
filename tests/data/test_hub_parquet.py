"""Readers of the hub's Parquet schema, on files written here with the same columns."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import captions_of
from PIL import Image as PILImage

from mio_eval.cli.app import main
from mio_eval.data import hub, sources
from mio_eval.errors import UsageError
from mio_eval.media import load_audio, load_image
from mio_eval.tasks import get_task

MEDIUM = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    """`datasets` keeps a copy of what it reads: in this test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    PILImage.new("RGB", (4, 3), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def flac(frequency: float) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(1600) * frequency), 16000, format="FLAC")
    return buffer.getvalue()


def coco_table(**changes):
    columns = {
        "image": pa.array([{"bytes": png(i), "path": f"{i}.jpg"} for i in range(3)], MEDIUM),
        "caption": [captions_of(i) for i in range(3)],
        "sentids": [[1, 2], [3], [4]],
        "filename": [f"COCO_val2014_{i:012d}.jpg" for i in (391895, 60623, 7)],
    }
    return pa.table({k: v for k, v in {**columns, **changes}.items() if v is not None})


def speech_table(**changes):
    columns = {
        "file": ["a", "b"],
        "audio": pa.array([{"bytes": flac(0.1 * i), "path": None} for i in (1, 2)], MEDIUM),
        "text": ["ONE TWO", "THREE"],
        "speaker_id": [1089, 61],
        "chapter_id": [134686, 7],
        "id": ["1089-134686-0000", "61-7-0000"],
    }
    return pa.table({k: v for k, v in {**columns, **changes}.items() if v is not None})


@pytest.fixture
def parquet(tmp_path):
    def write(table, name="0000.parquet"):
        pq.write_table(table, tmp_path / name)
        return str(tmp_path / name)

    return write


def test_coco(parquet):
    found = list(hub.read_coco(parquet(coco_table())))
    assert [s.id for s in found] == ["391895", "60623", "7"]
    assert [s.cluster for s in found] == ["391895", "60623", "7"]
    assert [s.references for s in found] == [tuple(captions_of(i)) for i in range(3)]
    image = found[2].inputs["image"]
    assert image.name == "COCO_val2014_000000000007.jpg"
    assert image.read() == png(2)
    assert load_image(image).getpixel((0, 0)) == (2, 0, 0)


def test_coco_with_one_caption_as_text(parquet):
    table = coco_table(caption=["a cat", "a dog", "an ant"])
    assert [s.references for s in hub.read_coco(parquet(table))] == [
        *(("a cat",), ("a dog",), ("an ant",))
    ]


def test_coco_file_name_without_a_number_is_the_id(parquet):
    table = coco_table(filename=["a.jpg", "folder/b_x.jpg", "COCO_val2014_000000000012.jpg"])
    assert [s.id for s in hub.read_coco(parquet(table))] == ["a.jpg", "b_x.jpg", "12"]


def test_librispeech(parquet):
    found = list(hub.read_librispeech(parquet(speech_table())))
    assert [s.id for s in found] == ["1089-134686-0000", "61-7-0000"]
    assert [s.references for s in found] == [("ONE TWO",), ("THREE",)]
    assert [s.cluster for s in found] == ["1089", "61"]
    assert found[0].meta == {"speaker": "1089", "chapter": "134686"}
    assert found[1].inputs["audio"].read() == flac(0.2)
    assert load_audio(found[1].inputs["audio"]).shape == (1600,)


def test_files_by_pattern_come_in_order(parquet, tmp_path):
    for number in range(3):
        table = speech_table(id=[f"1-1-{number}0", f"1-1-{number}1"])
        parquet(table, f"{number:04d}.parquet")
    found = hub.read_librispeech(str(tmp_path / "*.parquet"))
    assert [s.id for s in found] == [*("1-1-00", "1-1-01", "1-1-10", "1-1-11", "1-1-20", "1-1-21")]


@pytest.mark.parametrize("column", ["image", "caption", "filename"])
def test_coco_column_missing(parquet, column):
    path = parquet(coco_table(**{column: None}))
    with pytest.raises(UsageError) as error:
        list(hub.read_coco(path))
    assert f"{path}: no column {column}; it has " in str(error.value)
    assert "name a revision with the hub's columns" in str(error.value)


def test_librispeech_columns_missing(parquet):
    with pytest.raises(UsageError, match="no column speaker_id, id; it has file, audio, text, cha"):
        list(hub.read_librispeech(parquet(speech_table(speaker_id=None, id=None))))


def test_row_without_bytes_fails_alone(parquet):
    rows = [{"bytes": png(0), "path": "0"}, {"bytes": None, "path": "1"}, {"bytes": png(2)}]
    found = list(hub.read_coco(parquet(coco_table(image=pa.array(rows, MEDIUM)))))
    assert found[0].inputs["image"].read() == png(0)
    with pytest.raises(FileNotFoundError, match="row 1: column image holds no bytes"):
        found[1].inputs["image"].read()


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_file_that_is_no_parquet(tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read .*x\.parquet \("):
        list(hub.read_coco(str(path)))


def test_no_such_file(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.parquet \("):
        list(hub.read_coco(str(tmp_path / "nowhere.parquet")))


def test_through_the_task(parquet, monkeypatch):
    """The address is made of dataset, commit and file pattern; the source says what was read."""
    path = parquet(speech_table())
    asked = []

    def read(files):
        asked.append(files)
        return hub.read_librispeech(path)

    commit = "c" * 40
    monkeypatch.setattr(sources, "resolve_revision", lambda dataset, revision: commit)
    monkeypatch.setattr(sources, "reader_function", lambda name, task_file: read)
    source = sources.open_source(get_task("librispeech:test-other"), "hub")
    assert [s.id for s in source] == ["1089-134686-0000", "61-7-0000"]
    assert asked == [f"hf://datasets/openslr/librispeech_asr@{commit}/other/test/*.parquet"]
    assert source.revision == commit
    assert source.place == f"openslr/librispeech_asr@{commit}"
    assert source.expected == 2939


def test_commit_is_taken_as_it_is():
    commit = "9d384902a81bdfc087d62c078d3b97a069e79c63"
    assert sources.resolve_revision("any/thing", commit) == commit


def test_run_on_hub_data(parquet, monkeypatch, tmp_path, capsys):
    """From Parquet to scores by the command line, media read for their hashes."""
    path = parquet(coco_table())
    monkeypatch.setattr(sources, "reader_function", lambda *_: lambda files: hub.read_coco(path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.devnull)
    lines = [{"id": i, "text": captions_of(n)[0]} for n, i in enumerate(("391895", "60623", "7"))]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(SystemExit) as stop:
        main(
            [
                *("run", "--tasks", "coco_caption", "--data", "hub", "--out", "runs"),
                *("--model", "predictions", "--model-args", "path=p.jsonl"),
            ]
        )
    assert stop.value.code == 0, capsys.readouterr()
    (written,) = tmp_path.glob("runs/*/run.json")
    run = json.loads(written.read_text())
    assert run["data"]["coco_caption"]["mode"] == "hub"
    assert run["data"]["coco_caption"]["n"] == 3
    assert run["data"]["coco_caption"]["revision"] == "9d384902a81bdfc087d62c078d3b97a069e79c63"
    assert run["results"]["coco_caption"]["rouge_l"]["value"] == pytest.approx(100)

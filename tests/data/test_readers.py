"""Readers of the official layouts: what they yield, and the traps of files in the wild."""

from __future__ import annotations

import json

import pytest
from conftest import captions_of, write_coco, write_librispeech

from mio_eval.data import check_source, open_source
from mio_eval.data.sources import has_local, has_sample
from mio_eval.errors import UsageError
from mio_eval.tasks import get_task


def samples(task, folder):
    return list(open_source(get_task(task), "local", folder))


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.fixture
def coco(tmp_path):
    write_coco(tmp_path)
    return tmp_path / "coco"


@pytest.fixture
def speech(tmp_path):
    write_librispeech(tmp_path)
    return tmp_path / "LibriSpeech" / "test-clean"


@pytest.mark.parametrize("task", ["coco_caption", "coco_caption:val2014"])
def test_coco(coco, task):
    found = samples(task, coco.parent)
    assert [s.id for s in found] == [str(1000 + i) for i in range(12)]
    for index, sample in enumerate(found):
        assert sample.references == tuple(captions_of(index))
        assert sample.cluster == sample.id
        assert list(sample.inputs) == ["image"]
        path = sample.inputs["image"].path
        assert path == coco / "val2014" / f"COCO_val2014_{1000 + index:012d}.jpg"
        assert path.is_file()


def test_coco_takes_its_own_split_only(coco):
    edit(
        coco / "dataset_coco.json",
        lambda data: data["images"].append(data["images"][0] | {"split": "val", "cocoid": 7}),
    )
    assert [s.id for s in samples("coco_caption:val", coco.parent)] == ["7"]
    assert len(samples("coco_caption", coco.parent)) == 12


def test_coco_keeps_the_order_of_the_file(coco):
    edit(coco / "dataset_coco.json", lambda data: data["images"].reverse())
    assert [s.id for s in samples("coco_caption", coco.parent)][:2] == ["1011", "1010"]


def test_coco_captions_of_one_image_need_not_stand_together(coco):
    path = coco / "annotations" / "captions_val2014.json"
    edit(path, lambda data: data["annotations"].sort(key=lambda row: row["caption"]))
    found = samples("coco_caption:val2014", coco.parent)
    assert [set(s.references) for s in found] == [set(captions_of(i)) for i in range(12)]


def test_coco_official_annotations_beside_the_images(coco):
    (coco / "annotations" / "captions_val2014.json").rename(coco / "captions_val2014.json")
    assert len(samples("coco_caption:val2014", coco.parent)) == 12


def test_coco_file_name_is_made_from_the_id_where_absent(coco):
    def change(data):
        for image in data["images"]:
            del image["file_name"]

    edit(coco / "annotations" / "captions_val2014.json", change)
    found = samples("coco_caption:val2014", coco.parent)
    assert all(s.inputs["image"].path.is_file() for s in found)


def test_coco_captions_in_any_script(coco):
    captions = ["Ein Mädchen läuft.", "猫が座っている", "кот", "🐈 naïve café", "a\u2028b"]

    def change(data):
        data["images"][0]["sentences"] = [{"raw": text} for text in captions]

    edit(coco / "dataset_coco.json", change)
    assert samples("coco_caption", coco.parent)[0].references == tuple(captions)


def test_coco_lone_surrogate_is_replaced(coco):
    edit(
        coco / "dataset_coco.json",
        lambda data: data["images"][0]["sentences"][0].update(raw="a \ud83d cat"),
    )
    assert samples("coco_caption", coco.parent)[0].references[0] == "a � cat"


def test_coco_missing_image_is_found_by_check_not_by_reading(coco):
    (coco / "val2014" / "COCO_val2014_000000001004.jpg").unlink()
    source = open_source(get_task("coco_caption"), "local", coco.parent)
    assert len(list(source)) == 12
    problems = list(check_source(source))
    assert problems == [
        f"1004: image {coco}/val2014/COCO_val2014_000000001004.jpg does not exist",
        "12 samples, the official split has 5000",
    ]


def test_coco_extra_files_do_no_harm(coco):
    (coco / "val2014" / "notes.txt").write_text("x")
    (coco / ".DS_Store").write_bytes(b"\0")
    assert len(samples("coco_caption", coco.parent)) == 12


def test_check_names_duplicates_and_samples_without_captions(coco):
    def change(data):
        data["images"][1]["cocoid"] = 1000
        data["images"][2]["sentences"] = []
        data["images"][3]["sentences"] = [{"raw": " "}]

    edit(coco / "dataset_coco.json", change)
    source = open_source(get_task("coco_caption"), "local", coco.parent)
    assert list(check_source(source))[:3] == [
        *("duplicate id 1000", "1002: no reference", "1003: no reference")
    ]


BROKEN = {
    "not JSON": "{",
    "not text": b"\xff\xfe\xfd",
    "no mapping": "[]",
    "no images": "{}",
    "images not a list": '{"images": null}',
    "image not a mapping": '{"images": ["x"]}',
    "image without a split": '{"images": [{}]}',
    "sentences missing": '{"images": [{"split": "test", "filename": "x", "cocoid": 1}]}',
    "caption not text": (
        '{"images": [{"split": "test", "filename": "x", "cocoid": 1, "sentences": [{"raw": 5}]}]}'
    ),
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_karpathy_file(coco, content):
    path = coco / "dataset_coco.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as error:
        samples("coco_caption", coco.parent)
    assert str(error.value).startswith(f"{path} is not a COCO caption file (")
    assert str(error.value).endswith("); fetch the official one again")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.pop("annotations"), "no list 'annotations'"),
        (lambda data: data["images"][0].pop("id"), "no field 'id'"),
        (lambda data: data["annotations"][0].update(caption=None), "caption None is not text"),
        (
            lambda data: data["annotations"][0].update(image_id=5),
            "a caption of image 5, which is not listed",
        ),
    ],
)
def test_broken_official_file(coco, change, reason):
    path = coco / "annotations" / "captions_val2014.json"
    edit(path, change)
    with pytest.raises(UsageError) as error:
        samples("coco_caption:val2014", coco.parent)
    assert f"is not a COCO caption file ({reason}); fetch" in str(error.value)


def test_librispeech(speech):
    found = samples("librispeech", speech.parents[1])
    assert len(found) == 12
    assert [s.id for s in found[:5]] == [
        *("100-7-0000", "100-7-0001", "100-7-0002", "100-7-0003", "101-7-0000")
    ]
    first = found[0]
    assert first.references == ("ONE TWO",)
    assert first.cluster == "100"
    assert first.meta == {"speaker": "100", "chapter": "7"}
    assert first.inputs["audio"].path == speech / "100" / "7" / "100-7-0000.flac"


def test_librispeech_speakers_and_chapters_in_numeric_order(tmp_path):
    folder = tmp_path / "LibriSpeech" / "test-clean"
    for speaker, chapter in (("1089", "9"), ("61", "100"), ("61", "20"), ("121", "3")):
        place = folder / speaker / chapter
        place.mkdir(parents=True)
        (place / f"{speaker}-{chapter}.trans.txt").write_text(f"{speaker}-{chapter}-0000 A\n")
    assert [s.id for s in samples("librispeech", tmp_path)] == [
        *("61-20-0000", "61-100-0000", "121-3-0000", "1089-9-0000")
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n   \n", ""])
def test_librispeech_line_ends_and_blank_lines(speech, end):
    path = speech / "100" / "7" / "100-7.trans.txt"
    path.write_bytes(
        end.join(["100-7-0000 ONE TWO", "100-7-0001 IT'S"][: 2 if end else 1]).encode()
    )
    found = [s for s in samples("librispeech", speech.parents[1]) if s.cluster == "100"]
    assert [s.references[0] for s in found] == ["ONE TWO", "IT'S"][: 2 if end else 1]


def test_librispeech_unicode_line_separator_is_part_of_a_line(speech):
    path = speech / "100" / "7" / "100-7.trans.txt"
    path.write_text("100-7-0000 ONE\u2028TWO\x0bTHREE\n", encoding="utf-8")
    found = [s for s in samples("librispeech", speech.parents[1]) if s.cluster == "100"]
    assert [s.references[0] for s in found] == ["ONE\u2028TWO\x0bTHREE"]


def test_librispeech_empty_transcript(speech):
    path = speech / "101" / "7" / "101-7.trans.txt"
    path.write_text("101-7-0000 A\n\n101-7-0001\n")
    with pytest.raises(UsageError) as error:
        samples("librispeech", speech.parents[1])
    assert str(error.value) == (
        f"{path} line 3: expected 'ID TRANSCRIPT', got '101-7-0001'; fetch the split again"
    )


def test_librispeech_transcript_in_another_encoding(speech):
    path = speech / "101" / "7" / "101-7.trans.txt"
    path.write_bytes("101-7-0000 É\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"101-7\.trans\.txt is not UTF-8 .*fetch the split again"):
        samples("librispeech", speech.parents[1])


def test_librispeech_transcripts_decide(speech):
    """Extra audio is not read; missing audio is a sample all the same, and `check` names it."""
    (speech / "100" / "7" / "100-7-0099.flac").write_bytes(b"extra")
    (speech / "100" / "7" / "100-7-0002.flac").unlink()
    (speech / "100" / "README.txt").write_text("x")
    source = open_source(get_task("librispeech"), "local", speech.parents[1])
    assert len(list(source)) == 12
    assert next(iter(check_source(source))) == (
        f"100-7-0002: audio {speech}/100/7/100-7-0002.flac does not exist"
    )


def test_source_can_be_read_again_and_is_described(speech):
    source = open_source(get_task("librispeech"), "local", speech.parents[1])
    assert [s.id for s in source] == [s.id for s in source]
    assert (source.mode, source.reader, source.revision) == ("local", "librispeech", "local")
    assert (source.expected, source.place) == (2620, str(speech.parent))


def test_opening_reads_nothing(tmp_path):
    """A run of many tasks opens them all; a missing one is an error only when it is read."""
    source = open_source(get_task("coco_caption"), "local", tmp_path)
    with pytest.raises(UsageError, match="no data for task coco_caption"):
        next(iter(source))


@pytest.mark.parametrize("task", ["coco_caption", "librispeech"])
def test_bundled_sample(task):
    assert has_sample(get_task(task))
    source = open_source(get_task(task), "sample")
    assert (source.mode, source.revision, source.expected) == ("sample", "bundled", None)
    assert list(check_source(source)) == []


def test_reader_that_a_task_file_misspells(tmp_path, monkeypatch):
    text = get_task("librispeech").path.read_text(encoding="utf-8")
    path = tmp_path / "librispeech.yaml"
    path.write_text(text.replace("reader: librispeech", "reader: libri"), encoding="utf-8")
    monkeypatch.setenv("MIO_EVAL_TASKS", str(tmp_path))
    with pytest.raises(UsageError) as error:
        open_source(get_task("librispeech"), "local", tmp_path)
    assert str(error.value).startswith(
        f"{path}: unknown data reader 'libri'; did you mean librispeech"
    )


def test_has_local(tmp_path):
    assert not has_local(get_task("coco_caption"), tmp_path)
    write_coco(tmp_path)
    assert has_local(get_task("coco_caption"), tmp_path)
    assert has_local(get_task("coco_caption"), tmp_path / "coco")
    assert not has_local(get_task("librispeech"), tmp_path / "coco")

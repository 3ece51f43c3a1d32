"""The bundled samples of the further tasks: their readers read them, and they are well formed."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import mio_eval
from mio_eval.data.generation import read_flickr30k_t2i, read_globe, read_vctk
from mio_eval.data.multiple_choice import read_omnibench, read_seed_bench
from mio_eval.data.video_qa import read_msrvtt_qa, read_msvd_qa
from mio_eval.data.vqa import read_okvqa, read_vizwiz, read_vqav2
from mio_eval.types import Media, Sample, Text

ROOT = Path(mio_eval.__file__).resolve().parent / "sample_data"
SETS = {
    # folder: reader, split, samples, clusters
    "vqav2": (read_vqav2, "val", 38, 20),
    "okvqa": (read_okvqa, "val2014", 14, 12),
    "vizwiz": (read_vizwiz, "val", 12, 12),
    "seed_bench": (read_seed_bench, "image", 18, 13),
    "flickr30k": (read_flickr30k_t2i, "test", 6, 6),
    "vctk": (read_vctk, "all", 5, 5),
    "globe": (read_globe, "test", 4, 4),
    "msvd_qa": (read_msvd_qa, "test", 8, 3),
    "msrvtt_qa": (read_msrvtt_qa, "test", 9, 4),
    "omnibench": (read_omnibench, "all", 8, 7),
}
FOLDERS = sorted(set(SETS) - {"vqav2", "okvqa"})  # those that hold media


def samples(folder: str) -> list[Sample]:
    reader, split, _, _ = SETS[folder]
    if folder == "globe":
        pytest.importorskip("datasets")
    return list(reader(ROOT / folder, split))


def load(name: str):
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def media_files(*suffixes: str) -> list[Path]:
    return sorted(p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in suffixes)


@pytest.mark.parametrize("folder", SETS)
def test_the_reader_reads_it(folder):
    _, _, expected, clusters = SETS[folder]
    read = samples(folder)
    assert len(read) == expected
    assert len({sample.id for sample in read}) == expected
    assert len({sample.cluster for sample in read}) == clusters
    for sample in read:
        assert sample.references
        assert all(reference == reference.strip() != "" for reference in sample.references)
        parts = [*sample.inputs.values(), *sample.targets.values()]
        assert any(isinstance(part, Media) for part in parts)
        for part in parts:
            if isinstance(part, Text):
                assert part.text == part.text.strip() != ""
            else:
                assert isinstance(part, Media)
                assert len(part.read()) > 500


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_media_file_belongs_to_a_sample(folder):
    named = {
        part.path
        for sample in samples(folder)
        for part in [*sample.inputs.values(), *sample.targets.values()]
        if isinstance(part, Media) and part.path
    }
    there = media_files(".jpg", ".flac", ".avi", ".mp4")
    assert named == {path for path in there if path.is_relative_to(ROOT / folder)}


@pytest.mark.parametrize("folder", ["vqav2", "okvqa", "vizwiz"])
def test_ten_answers_with_some_disagreement(folder):
    counts = [Counter(sample.references) for sample in samples(folder)]
    assert all(sum(count.values()) == 10 for count in counts)
    assert all(count.most_common(1)[0][1] >= 4 for count in counts)
    assert sum(len(count) > 1 for count in counts) > len(counts) / 2


def test_vqav2_has_the_official_fields():
    questions = load("vqav2/v2_OpenEnded_mscoco_val2014_questions.json")
    annotations = load("vqav2/v2_mscoco_val2014_annotations.json")
    assert questions["data_subtype"] == annotations["data_subtype"] == "val2014"
    asked = {row["question_id"]: row for row in questions["questions"]}
    assert {row["question_id"] for row in annotations["annotations"]} == set(asked)
    kinds = Counter(row["answer_type"] for row in annotations["annotations"])
    assert set(kinds) == {"yes/no", "number", "other"}
    assert min(kinds.values()) >= 5
    for row in annotations["annotations"]:
        assert row["image_id"] == asked[row["question_id"]]["image_id"]
        assert row["question_id"] // 1000 == row["image_id"]
        question = asked[row["question_id"]]["question"]
        assert question.lower().startswith(row["question_type"])
        assert [a["answer_id"] for a in row["answers"]] == list(range(1, 11))
        assert {a["answer_confidence"] for a in row["answers"]} <= {"yes", "maybe", "no"}
        most = Counter(a["answer"] for a in row["answers"]).most_common(1)[0][0]
        assert row["multiple_choice_answer"] == most
        assert (most in {"yes", "no"}) == (row["answer_type"] == "yes/no")
        assert most.isdecimal() == (row["answer_type"] == "number")


def test_okvqa_has_the_official_fields():
    data = load("okvqa/mscoco_val2014_annotations.json")
    for row in data["annotations"]:
        assert row["question_type"] in data["question_types"]
        assert row["question_id"] // 10 == row["image_id"]
        assert set(row["answers"][0]) == {"answer_id", "raw_answer", "answer_confidence", "answer"}


def test_vizwiz_has_answerable_and_unanswerable_questions():
    rows = load("vizwiz/Annotations/val.json")
    assert Counter(row["answerable"] for row in rows) == {1: 8, 0: 4}
    for number, row in enumerate(rows):
        assert set(row) == {"image", "question", "answers", "answer_type", "answerable"}
        assert row["image"] == f"VizWiz_val_{number:08d}.jpg"
        most = Counter(a["answer"] for a in row["answers"]).most_common(1)[0][0]
        assert (most == "unanswerable") == (row["answerable"] == 0)
        assert (row["answer_type"] == "unanswerable") == (row["answerable"] == 0)


def test_seed_bench_has_two_questions_a_dimension():
    dimensions = load("seed_bench/SEED-Bench.json")["question_type"]
    assert list(dimensions.values()) == list(range(1, 10))
    read = samples("seed_bench")
    assert Counter(sample.meta["group"] for sample in read) == dict.fromkeys(dimensions, 2)
    answers = Counter(sample.references[0] for sample in read)
    assert set(answers) == set("ABCD")
    assert max(answers.values()) <= 6  # one letter for all is no good guess
    assert all(len(set(sample.meta["choices"])) == 4 for sample in read)


def test_omnibench_has_every_kind_of_sound():
    read = samples("omnibench")
    kinds = Counter(sample.meta["group"] for sample in read)
    assert kinds == {"speech": 4, "sound event": 2, "music": 2}
    answers = Counter(sample.references[0] for sample in read)
    assert set(answers) == set("ABCD")
    assert max(answers.values()) <= 3
    assert all(len(set(sample.meta["choices"])) == 4 for sample in read)
    for split, count in {"speech": 4, "sound": 2, "music": 2}.items():
        assert len(list(read_omnibench(ROOT / "omnibench", split))) == count


def test_flickr30k_has_five_captions_an_image():
    index = load("flickr30k/dataset_flickr30k.json")
    assert index["dataset"] == "flickr30k"
    identifiers = [i for entry in index["images"] for i in entry["sentids"]]
    assert identifiers == list(range(5 * len(index["images"])))
    for entry in index["images"]:
        assert [s["sentid"] for s in entry["sentences"]] == entry["sentids"]
        assert {s["imgid"] for s in entry["sentences"]} == {entry["imgid"]}


@pytest.mark.parametrize("folder", ["msvd_qa", "msrvtt_qa"])
def test_video_answers_are_one_word(folder):
    for row in load(f"{folder}/test_qa.json"):
        assert set(row) == {"answer", "id", "question", "video_id"}
        assert row["answer"].isalpha()
        assert row["question"].endswith("?")


def test_spoken_sentences_are_those_of_the_transcripts():
    words = {
        line.partition(" ")[2]
        for listing in (ROOT / "LibriSpeech").rglob("*.trans.txt")
        for line in listing.read_text(encoding="ascii").splitlines()
    }
    for folder in ("vctk", "globe"):
        for sample in samples(folder):
            sentence = sample.references[0]
            assert sentence.endswith(".")
            assert sentence.rstrip(".").upper() in words


def test_globe_has_the_columns_of_the_hub():
    parquet = pytest.importorskip("pyarrow.parquet")
    soundfile = pytest.importorskip("soundfile")
    table = parquet.read_table(ROOT / "globe" / "test-00000-of-00001.parquet")
    columns = {"audio", "speaker_id", "transcript", "accent", "duration", "age", "gender"}
    assert set(table.column_names) == columns
    for row in table.to_pylist():
        info = soundfile.info(io.BytesIO(row["audio"]["bytes"]))
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert row["duration"] == pytest.approx(info.duration, abs=0.001)


def test_pictures_are_small_jpegs():
    pil = pytest.importorskip("PIL.Image")
    pictures = media_files(".jpg")
    assert len(pictures) == 38
    for path in pictures:
        with pil.open(path) as image:
            assert image.format == "JPEG"
            image.load()
            assert 120 <= min(image.size) <= max(image.size) <= 320
            assert not image.getexif()
        assert path.stat().st_size < 40_000


def test_sounds_are_16_khz_mono_and_short():
    soundfile = pytest.importorskip("soundfile")
    sounds = media_files(".flac")
    assert len(sounds) == 13
    for path in sounds:
        info = soundfile.info(path)
        assert (info.format, info.samplerate, info.channels) == ("FLAC", 16_000, 1)
        assert 0.4 <= info.duration <= 4.01
        samples, _ = soundfile.read(path, dtype="float32")
        assert np.sqrt(np.mean(samples**2)) > 0.005


def test_videos_decode_move_and_are_small():
    av = pytest.importorskip("av")
    videos = media_files(".avi", ".mp4")
    assert len(videos) == 7
    for path in videos:
        assert path.stat().st_size < 300_000
        with av.open(path) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) in {(320, 240), (320, 180)}
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
            assert 3 <= len(frames) / stream.average_rate <= 6
        first, last = (frame.astype(np.int16) for frame in (frames[0], frames[-1]))
        assert np.abs(first - last).mean() > 5


def test_every_media_file_stands_in_the_notices():
    notices = (ROOT / "LICENSES.md").read_text(encoding="utf-8")
    for path in media_files(".jpg", ".avi", ".mp4"):
        assert f"`{path.name}`" in notices
    for path in (ROOT / "omnibench").rglob("*.flac"):
        assert f"`{path.name}`" in notices

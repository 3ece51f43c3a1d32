"""Every reader on a small tree in the official layout, and what is wrong with trees in the wild."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_coco, write_librispeech
from data.trees import TREES, picture, put, tone

from mio_eval.data import check_source, open_source
from mio_eval.engine.requests import check_media, sample_content
from mio_eval.errors import UsageError
from mio_eval.media import load_audio, load_image
from mio_eval.tasks import get_task, render
from mio_eval.types import Audio, Image, Media, Sample, Text, Video

pytest.importorskip("PIL")
pytest.importorskip("soundfile")
pytest.importorskip("pyarrow")

JSON_TASKS = sorted(set(TREES) - {"vctk_tts", "vctk_tts_voice", "globe_tts", "mmlu"})


@pytest.fixture
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The data folder of the task that the test is parametrised with."""
    task = request.getfixturevalue("task")
    if task in ("msvd_qa", "msrvtt_qa"):
        pytest.importorskip("av")
    if task == "mmlu":
        pytest.importorskip("lm_eval")
    if task in ("globe_tts", "mmlu"):
        pytest.importorskip("datasets")
    TREES[task][0](tmp_path)
    return tmp_path


def read(task: str, root: Path) -> list[Sample]:
    return list(open_source(get_task(task), "local", root))


def problems(task: str, root: Path) -> list[str]:
    return list(check_source(open_source(get_task(task), "local", root)))


def media_of(sample: Sample) -> list[Media]:
    parts = [*sample.inputs.values(), *sample.targets.values()]
    return [part for part in parts if isinstance(part, Media)]


@pytest.mark.parametrize("task", TREES)
def test_every_reader_reads_its_layout(task: str, tree: Path) -> None:
    samples = read(task, tree)
    count = 2 if task == "vctk_tts_voice" else 4
    assert len(samples) == len({s.id for s in samples}) == count
    for sample in samples:
        assert sample.cluster
        assert sample.references
        assert not sample.references[0].isspace()
        for style in get_task(task).file.prompts:
            assert render(get_task(task).prompt(style), sample)
        check_media(sample)
        assert len(sample_content(sample)) == 64
    texts = "".join(p.text for s in samples for p in s.inputs.values() if isinstance(p, Text))
    references = "".join(r for s in samples for r in s.references)
    expected = get_task(task).spec.expected
    assert problems(task, tree) == (
        [f"{count} samples, the official split has {expected}"] if expected else []
    )
    if task not in ("vqav2", "okvqa"):
        assert not (texts + references).isascii(), "the tree has other than ASCII letters"


def test_answers_keep_their_order_and_letters(tmp_path: Path) -> None:
    for task in ("vqav2", "okvqa", "vizwiz"):
        root = tmp_path / task
        TREES[task][0](root)
        sample = read(task, root)[1]
        assert sample.references == (*["yes"] * 6, "nein 1", "ja", "ja", "猫")


def test_values_that_a_reader_makes(tmp_path: Path) -> None:
    for write, _ in TREES.values():
        write(tmp_path / write.__name__)
    root = tmp_path
    seed = read("seed_bench", root / "seed_bench")[2]
    assert (seed.references, seed.meta["choices"]) == (("C",), ["a2", "b2", "c2", "d2"])
    assert seed.meta["group"] == "Scene Understanding"
    omni = read("omnibench", root / "omnibench")
    assert {s.references for s in omni} == {("B",)}
    assert [s.meta["group"] for s in omni] == ["speech", "sound event", "music", "speech"]
    assert [s.id for s in read("omnibench:speech", root / "omnibench")] == ["0", "3"]
    assert omni[1].inputs["options"] == Text("A. a1\nB. b1\nC. c1\nD. d1")
    flickr = read("flickr30k_t2i", root / "flickr30k")[1]
    assert (flickr.inputs["caption"], flickr.references) == (
        Text("Ein Hündchen 1."),
        ("Ein Hündchen 1.",),
    )
    assert "image" not in flickr.inputs
    assert isinstance(flickr.targets["image"], Image)
    vizwiz = read("vizwiz", root / "vizwiz")[3]
    assert vizwiz.inputs["question_capitalized"] == Text("What is 3?")
    assert vizwiz.meta == {"answerable": 1}
    globe = read("globe_tts", root / "globe")
    assert [s.cluster for s in globe] == ["S_0", "S_0", "S_1", "S_1"]
    assert globe[0].references == ("Große Straße 0",)
    for name in ("msvd_qa", "msrvtt_qa"):
        samples = read(name, root / name)
        assert [s.cluster for s in samples] == ["1", "1", "2", "2"]
        assert all(isinstance(s.inputs["video"], Video) for s in samples)
        assert samples[3].references == ("chien 3",)
    pytest.importorskip("lm_eval")
    mmlu = read("mmlu", root / "mmlu")
    assert [s.references for s in mmlu] == [("A",), ("B",), ("C",), ("D",)]
    assert [s.id for s in mmlu] == [f"astronomy/{n}" for n in range(4)]


@pytest.mark.parametrize("task", TREES)
def test_extra_files_do_no_harm(task: str, tree: Path) -> None:
    before = [(s.id, sample_content(s)) for s in read(task, tree)]
    for folder in [path for path in tree.rglob("*") if path.is_dir()]:
        (folder / "._x.jpg").write_bytes(b"\0")
        (folder / "notes.md").write_text("x")
    (tree / TREES[task][1]).parent.joinpath("backup.json").write_text("{")
    assert [(s.id, sample_content(s)) for s in read(task, tree)] == before


@pytest.mark.parametrize("task", sorted(set(TREES) - {"globe_tts", "mmlu"}))
def test_a_missing_medium_is_one_failed_sample(task: str, tree: Path) -> None:
    """The sample is there all the same; reading its media fails, which the engine counts."""
    media = media_of(read(task, tree)[-1])[0]
    if task == "vctk_tts_voice":
        path = tree / "vctk/wav48_silence_trimmed/p226" / media.name.replace("-voice.wav", ".flac")
    else:
        assert media.path is not None
        path = media.path
    path.unlink()
    samples = read(task, tree)
    broken = []
    for sample in samples:
        try:
            check_media(sample)
        except FileNotFoundError:
            broken.append(sample.id)
    assert samples[-1].id in broken
    assert len(broken) < len(samples)
    if samples[-1].inputs.keys() & {"image", "audio", "video"} and task != "vctk_tts_voice":
        assert any(f"{path} does not exist" in line for line in problems(task, tree))


@pytest.mark.parametrize("task", [t for t in JSON_TASKS if t != "flickr30k_t2i"])
def test_duplicate_ids_are_named(task: str, tree: Path) -> None:
    path = tree / TREES[task][1]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        path.write_text(text + text.splitlines()[0] + "\n", encoding="utf-8")
    else:
        data = json.loads(text)
        rows = data["questions"] if isinstance(data, dict) else data
        rows.append(rows[0])
        path.write_text(json.dumps(data))
    first = read(task, tree)[0].id
    assert f"duplicate id {first}" in problems(task, tree)


@pytest.mark.parametrize("cut", [0.5, 0.98])
@pytest.mark.parametrize("task", JSON_TASKS)
def test_truncated_json(task: str, tree: Path, cut: float) -> None:
    path = tree / TREES[task][1]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(UsageError, match=r"is not JSON .*fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", ["[]", "5", "{}", '"x"', "null", '{"questions": 3}', "[" * 10**5]
)
@pytest.mark.parametrize("task", JSON_TASKS)
def test_another_json_file(task: str, tree: Path, content: str) -> None:
    path = tree / TREES[task][1]
    path.write_text(content)
    if content == "[]" and task in ("vizwiz", "msvd_qa", "msrvtt_qa"):
        assert read(task, tree) == []  # a run and a check then say that there are no samples
        return
    with pytest.raises(UsageError, match=r"fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


FIELDS = {
    "vqav2": ["question", "question_id", "image_id"],
    "okvqa": ["question", "question_id", "image_id"],
    "vizwiz": ["image", "question", "answers"],
    "seed_bench": ["answer", "choice_c", "data_id", "question", "question_id", "question_type_id"],
    "omnibench": ["index", "question", "audio type", "answer", "options", "image_path"],
    "flickr30k_t2i": ["filename", "sentences"],
    "msvd_qa": ["id", "video_id", "question", "answer"],
    "msrvtt_qa": ["id", "video_id", "question", "answer"],
}


@pytest.mark.parametrize("value", [None, {"x": 1}, [], True], ids=str)
@pytest.mark.parametrize(("task", "field"), [(t, f) for t, fs in FIELDS.items() for f in fs])
def test_wrong_type_or_absent(task: str, field: str, value: Any, tree: Path) -> None:
    path = tree / TREES[task][1]

    def change(row: Any) -> None:
        if value is True:
            del row[field]
        else:
            row[field] = value

    edit_first(path, change)
    if (task, field, value) == ("vizwiz", "answers", True):
        assert read(task, tree)[0].references == ()  # as in the test split
        return
    if (task, field, value) == ("vizwiz", "answers", []):
        assert f"{read(task, tree)[0].id}: no reference" in problems(task, tree)
        return
    with pytest.raises(UsageError, match=r"fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


def edit_first(path: Path, change: Callable[[Any], None]) -> None:
    """Change the first row of a JSON or JSON Lines file."""
    if path.suffix == ".jsonl":
        first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
        row = json.loads(first)
        change(row)
        path.write_text(json.dumps(row) + "\n" + "".join(rest), encoding="utf-8")
        return
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = data if isinstance(data, list) else data.get("questions") or data["images"]
    change(rows[0])
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("task", ["vqav2", "okvqa", "vizwiz"])
@pytest.mark.parametrize("answer", [5, None, ["yes"]], ids=str)
def test_a_human_answer_that_is_no_text(task: str, answer: Any, tree: Path) -> None:
    names = {
        "vqav2": "vqav2/v2_mscoco_val2014_annotations.json",
        "okvqa": "okvqa/mscoco_val2014_annotations.json",
        "vizwiz": "vizwiz/Annotations/val.json",
    }
    path = tree / names[task]
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = data if isinstance(data, list) else data["annotations"]
    rows[0]["answers"][3]["answer"] = answer
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"answer is .*, not text"):
        read(task, tree)


def test_numbers_and_texts_name_the_same_question(tmp_path: Path) -> None:
    """Ids are numbers in one file and text in another of some copies; they are the same ids."""
    TREES["vqav2"][0](tmp_path)
    path = tmp_path / TREES["vqav2"][1]
    edit_first(path, lambda row: row.update(question_id="100", image_id="0"))
    samples = read("vqav2", tmp_path)
    assert samples[0].references
    assert samples[0].inputs["image"].path == samples[1].inputs["image"].path


def test_a_question_without_an_annotation_is_named(tmp_path: Path) -> None:
    TREES["vqav2"][0](tmp_path)
    path = tmp_path / "vqav2" / "v2_mscoco_val2014_annotations.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["annotations"][1]
    path.write_text(json.dumps(data))
    assert "101: no reference" in problems("vqav2", tmp_path)


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    TREES["vizwiz"][0](tmp_path)
    path = tmp_path / TREES["vizwiz"][1]
    edit_first(path, lambda row: row.update(question="a \ud83d b"))
    assert read("vizwiz", tmp_path)[0].inputs["question"] == Text("a � b")


def test_seed_bench_answers_are_letters(tmp_path: Path) -> None:
    TREES["seed_bench"][0](tmp_path)
    for answer in ("E", "a", "", "AB"):
        edit_first(tmp_path / TREES["seed_bench"][1], lambda row, a=answer: row.update(answer=a))
        with pytest.raises(UsageError, match="no letter from A to D"):
            read("seed_bench", tmp_path)


def test_omnibench_answer_is_an_option(tmp_path: Path) -> None:
    TREES["omnibench"][0](tmp_path)
    edit_first(tmp_path / TREES["omnibench"][1], lambda row: row.update(answer="none of them"))
    with pytest.raises(UsageError, match="line 1: the answer 'none of them' is not one"):
        read("omnibench", tmp_path)


def test_captions_to_images_need_a_caption(tmp_path: Path) -> None:
    write_coco(tmp_path)
    path = tmp_path / "coco" / "dataset_coco.json"
    data = json.loads(path.read_text())
    data["images"][2]["sentences"] = []
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="image 1002 has no caption"):
        read("coco_t2i", tmp_path)


@pytest.mark.parametrize("line", ["klteYv1_6_8", "no-number-at-all"])
def test_a_damaged_video_mapping(tmp_path: Path, line: str) -> None:
    pytest.importorskip("av")
    TREES["msvd_qa"][0](tmp_path)
    put(tmp_path / "msvd_qa" / "youtube_mapping.txt", f"-4wsuPC_5_15 vid1\n{line}\n")
    with pytest.raises(UsageError, match="line 2: expected 'VIDEO_NAME vidN'"):
        read("msvd_qa", tmp_path)
    put(tmp_path / "msvd_qa" / "youtube_mapping.txt", "é vid1".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8"):
        read("msvd_qa", tmp_path)


@pytest.mark.parametrize(
    ("row", "failed"),
    [
        ({"answer": 4}, True),
        ({"answer": "A"}, False),  # lm-eval takes the letter too
        ({"choices": ["a", "b"]}, True),
    ],
    ids=str,
)
def test_a_damaged_question_of_mmlu_is_a_failed_sample(
    tmp_path: Path, row: dict[str, Any], failed: bool
) -> None:
    pytest.importorskip("lm_eval")
    from mio_eval.data.lm_eval_tasks import documents, load_tasks
    from mio_eval.data.lm_eval_tasks import mmlu as spec

    good = {"question": "q?", "choices": list("wxyz"), "answer": 0, "subject": "law"}
    bad = {**good, **row}
    if isinstance(bad["answer"], str):
        good["answer"] = "B"  # a column has one type
    path = put(tmp_path / "test.jsonl", "".join(json.dumps(r) + "\n" for r in (good, bad)))
    found = list(documents(load_tasks(spec(str(path)))))
    assert [document.failure is not None for document in found] == [False, failed]


def test_truncated_mmlu(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    TREES["mmlu"][0](tmp_path)
    path = tmp_path / TREES["mmlu"][1]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UsageError, match="lm-eval cannot load task"):
        read("mmlu", tmp_path)


def test_globe_without_a_transcript(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    assert datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    TREES["globe_tts"][0](tmp_path)
    path = tmp_path / TREES["globe_tts"][1]
    table = pq.read_table(path)
    texts = pa.array([None, *table["transcript"].to_pylist()[1:]], pa.string())
    pq.write_table(table.set_column(1, "transcript", texts), path)
    with pytest.raises(UsageError, match="transcript is None, not text"):
        read("globe_tts", tmp_path)


@pytest.mark.parametrize("content", [b"", b"  \n", "é".encode("latin-1")])
@pytest.mark.parametrize("task", ["vctk_tts", "vctk_tts_voice"])
def test_a_damaged_sentence_of_vctk(tmp_path: Path, task: str, content: bytes) -> None:
    TREES[task][0](tmp_path)
    for path in (tmp_path / "vctk" / "txt").rglob("*.txt"):
        path.write_bytes(content)
    with pytest.raises(UsageError, match="fetch the corpus again"):
        read(task, tmp_path)


def test_vctk_in_its_older_layout(tmp_path: Path) -> None:
    TREES["vctk_tts"][0](tmp_path)
    new = tmp_path / "vctk" / "wav48_silence_trimmed"
    for path in list(new.rglob("*.flac")):
        name = path.name.replace("_mic1.flac", ".wav")
        tone(tmp_path / "vctk" / "wav48" / path.parent.name / name, rate=48_000)
        path.unlink()
    for folder in (*new.iterdir(), new):
        folder.rmdir()
    for task in ("vctk_tts", "vctk_tts_voice"):
        for sample in read(task, tmp_path):
            check_media(sample)


def test_voice_prompts(tmp_path: Path) -> None:
    """One text a speaker, in the voice of three seconds of another recording of that speaker."""
    soundfile = pytest.importorskip("soundfile")
    TREES["vctk_tts_voice"][0](tmp_path)
    samples = read("vctk_tts_voice", tmp_path)
    assert [s.cluster for s in samples] == ["p225", "p226"]
    for sample in samples:
        voice = sample.inputs["audio"]
        assert isinstance(voice, Audio)
        assert voice is sample.targets["audio"]
        assert sample.meta["voice"] != sample.id
        assert sample.meta["voice"].startswith(sample.cluster)
        assert voice.read() == voice.read()
        whole = tmp_path / "vctk/wav48_silence_trimmed" / sample.cluster
        wave, rate = soundfile.read(whole / f"{sample.meta['voice']}_mic1.flac", dtype="int16")
        cut, cut_rate = soundfile.read(io.BytesIO(voice.read()), dtype="int16")
        assert rate == cut_rate == 48_000
        assert len(cut) == min(len(wave), 3 * rate)
        starts = range(len(wave) - len(cut) + 1)
        assert any(np.array_equal(wave[s : s + len(cut)], cut) for s in starts[:: rate // 400]) or (
            any(np.array_equal(wave[s : s + len(cut)], cut) for s in starts)
        )
    again = read("vctk_tts_voice", tmp_path)
    assert [sample_content(s) for s in again] == [sample_content(s) for s in samples]


def test_a_voice_needs_another_recording(tmp_path: Path) -> None:
    TREES["vctk_tts_voice"][0](tmp_path)
    (tmp_path / "vctk" / "txt" / "p226" / "p226_002.txt").unlink()
    with pytest.raises(UsageError, match=r"speaker p226 has this one sentence"):
        read("vctk_tts_voice", tmp_path)


PICTURES = {
    "grey": lambda image: image.convert("L"),
    "16-bit grey": lambda image: image.convert("I;16"),
    "CMYK": lambda image: image.convert("CMYK"),
    "palette": lambda image: image.convert("P"),
    "transparent": lambda image: image.convert("RGBA"),
}
IMAGE_TASKS = ("vqav2", "vizwiz", "seed_bench", "omnibench", "flickr30k_t2i")


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_odd_images_become_upright_rgb(task: str, kind: str, tree: Path) -> None:
    from PIL import Image as Pictures

    image = next(m for m in media_of(read(task, tree)[0]) if isinstance(m, Image))
    assert image.path is not None
    name = "TIFF" if kind == "CMYK" else "PNG"
    PICTURES[kind](Pictures.open(image.path)).save(image.path, name)
    seen = load_image(media_of(read(task, tree)[0])[0])
    assert (seen.mode, seen.size) == ("RGB", (16, 12))
    top, below = seen.getpixel((8, 1)), seen.getpixel((8, 10))
    if "grey" not in kind:
        assert top[0] > 150 > top[2]
        assert below[2] > 100 > below[0]


@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_an_image_that_exif_rotates(task: str, tree: Path) -> None:
    from PIL import Image as Pictures

    image = next(m for m in media_of(read(task, tree)[0]) if isinstance(m, Image))
    assert image.path is not None
    sideways = Pictures.open(image.path).convert("RGB").rotate(90, expand=True)
    exif = Pictures.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    sideways.save(image.path, "JPEG", exif=exif, quality=95)
    seen = load_image(media_of(read(task, tree)[0])[0])
    assert seen.size == (16, 12)
    assert seen.getpixel((8, 1))[0] > 150
    assert seen.getpixel((8, 10))[2] > 150


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_of_any_rate_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    write_librispeech(tmp_path, speakers=1, utterances=1)
    TREES["omnibench"][0](tmp_path)
    TREES["vctk_tts"][0](tmp_path)
    places = {
        "librispeech": tmp_path / "LibriSpeech/test-clean/100/7/100-7-0000.flac",
        "omnibench": tmp_path / "omnibench/mm_data/audio/0.wav",
        "vctk_tts": tmp_path / "vctk/wav48_silence_trimmed/p225/p225_001_mic1.flac",
    }
    for task, path in places.items():
        tone(path, 0.5, rate, channels)
        sample = read(task, tmp_path)[0]
        sound = next(m for m in media_of(sample) if isinstance(m, Audio))
        wave = load_audio(sound)
        assert wave.ndim == 1
        assert abs(len(wave) - 8_000) <= 1
        loud = 0.4 if channels == 1 else (0.4 + 0.2) / 2
        assert np.abs(wave[1000:-1000]).max() == pytest.approx(loud, abs=0.01)


@pytest.mark.parametrize("task", ["msvd_qa", "msrvtt_qa"])
def test_frames_of_a_video_at_a_varying_rate(task: str, tree: Path) -> None:
    """`uniform` counts frames in display order; each comes back with its own time."""
    from media.clips import number_in, numbered, write_clip

    from mio_eval.media.frames import parse_policy
    from mio_eval.media.video import load_frames

    video = media_of(read(task, tree)[0])[0]
    assert video.path is not None
    times = [0, 700, 800, 900, 1000, 1040, 1080]
    # AVI cannot hold times, so the bytes are those of another container; names do not matter.
    made = write_clip(tree / "vfr.mkv", [numbered(n) for n in range(7)], times_ms=times)
    made.rename(video.path)
    frames = load_frames(media_of(read(task, tree)[0])[0], parse_policy("uniform:3"))
    assert [number_in(image) for image in frames.images] == frames.indices == [0, 3, 6]
    assert frames.times == pytest.approx([0, 0.9, 1.08])


def test_a_picture_that_is_no_picture_fails_in_decoding(tmp_path: Path) -> None:
    from mio_eval.media.decode import DecodeError

    TREES["seed_bench"][0](tmp_path)
    path = tmp_path / "seed_bench" / "SEED-Bench-image" / "0_1"
    data = picture(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    sample = read("seed_bench", tmp_path)[0]
    check_media(sample)
    with pytest.raises(DecodeError):
        load_image(media_of(sample)[0])

"""Every reader on a small tree in the official layout: ids, values, order, prompts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from data.reading import edit_first, problems, read
from data.trees import TREES, tone

from mio_eval.engine.requests import check_media, sample_content
from mio_eval.errors import UsageError
from mio_eval.tasks import get_task, render
from mio_eval.types import Audio, Image, Text, Video

pytest.importorskip("PIL")
pytest.importorskip("soundfile")
pytest.importorskip("pyarrow")


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


def test_numbers_and_texts_name_the_same_question(tmp_path: Path) -> None:
    """Ids are numbers in one file and text in another of some copies; they are the same ids."""
    TREES["vqav2"][0](tmp_path)
    path = tmp_path / TREES["vqav2"][1]
    edit_first(path, lambda row: row.update(question_id="100", image_id="0"))
    samples = read("vqav2", tmp_path)
    assert samples[0].references
    assert samples[0].inputs["image"].path == samples[1].inputs["image"].path


@pytest.mark.parametrize("task", TREES)
def test_extra_files_do_no_harm(task: str, tree: Path) -> None:
    before = [(s.id, sample_content(s)) for s in read(task, tree)]
    for folder in [path for path in tree.rglob("*") if path.is_dir()]:
        (folder / "._x.jpg").write_bytes(b"\0")
        (folder / "notes.md").write_text("x")
    (tree / TREES[task][1]).parent.joinpath("backup.json").write_text("{")
    assert [(s.id, sample_content(s)) for s in read(task, tree)] == before


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

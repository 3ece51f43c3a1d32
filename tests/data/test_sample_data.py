"""The bundled sample data: complete, decodable, small, and every file with its licence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import mio_eval

ROOT = Path(mio_eval.__file__).resolve().parent / "sample_data"
SUBSET = ROOT / "LibriSpeech" / "sample"
FREE = re.compile(
    r"public domain|CC0 1\.0|CC BY [234]\.0|CMU ARCTIC licence|BSD-2-Clause|Apache-2\.0|MIT"
)
TRANSCRIPT = re.compile(r"[A-Z]+(?:'[A-Z]+)*(?: [A-Z]+(?:'[A-Z]+)*)*")
UTTERANCE = re.compile(r"(\d+)-(\d+)-(\d{4})")


def files() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and p.suffix != ".pyc")


def table_rows() -> dict[str, list[str]]:
    """README's rows that begin with a file name, as that name -> the other cells."""
    rows = {}
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        found = re.fullmatch(r"`([^`]+)`", cells[0])
        if line.startswith("|") and found:
            assert found[1] not in rows, f"{found[1]} is listed twice"
            rows[found[1]] = cells[1:]
    return rows


def images() -> list[dict]:
    index = json.loads((ROOT / "coco" / "dataset_coco.json").read_text(encoding="utf-8"))
    assert index["dataset"] == "coco"
    return index["images"]


def transcripts() -> dict[str, str]:
    texts: dict[str, str] = {}
    for listing in sorted(SUBSET.rglob("*.trans.txt")):
        speaker, chapter = listing.parent.parent.name, listing.parent.name
        assert listing.name == f"{speaker}-{chapter}.trans.txt"
        for line in listing.read_text(encoding="ascii").splitlines():
            utterance, text = line.split(" ", 1)
            assert utterance.startswith(f"{speaker}-{chapter}-")
            assert utterance not in texts
            texts[utterance] = text
    return texts


def speakers() -> dict[str, list[str]]:
    lines = (ROOT / "LibriSpeech" / "SPEAKERS.TXT").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line[0] != ";"]
    return {row[0]: row[1:] for row in rows}


def test_every_file_is_listed_with_a_free_licence_and_nothing_else_is():
    rows = table_rows()
    assert set(rows) == {path.relative_to(ROOT).as_posix() for path in files()}
    for name, cells in rows.items():
        media = name.endswith((".jpg", ".flac", ".avi", ".mp4", ".parquet"))
        assert len(cells) == (5 if media else 2), name
        licence = cells[3] if media else cells[-1]
        assert FREE.search(licence), f"{name}: {licence}"


def test_licences_that_ask_for_a_notice_have_one():
    text = (ROOT / "LICENSES.md").read_text(encoding="utf-8")
    for name, cells in table_rows().items():
        if name.endswith(".jpg"):
            assert Path(name).name in text
            if cells[3].startswith("CC BY"):
                author = cells[2].split(",")[0].split(" on ")[0]
                line = next(x for x in text.splitlines() if Path(name).name in x)
                assert author in line
    assert "Permission to use, copy, modify,  and licence" in text  # CMU ARCTIC
    assert "THIS SOFTWARE IS PROVIDED BY CARNEGIE MELLON UNIVERSITY" in text  # BSD-2-Clause


def test_small_enough_to_ship():
    sizes = [path.stat().st_size for path in files()]
    assert min(sizes) > 0
    assert max(sizes) < 400_000
    assert sum(sizes) < 5_000_000


def test_images_and_entries_pair_up_with_unique_ids():
    entries = images()
    assert len(entries) >= 12
    for key in ("cocoid", "imgid", "filename"):
        assert len({e[key] for e in entries}) == len(entries), key
    listed = {f"{e['filepath']}/{e['filename']}" for e in entries}
    there = {p.relative_to(ROOT / "coco").as_posix() for p in (ROOT / "coco").rglob("*.jpg")}
    assert listed == there
    for entry in entries:
        assert entry["split"] == "test"
        assert isinstance(entry["cocoid"], int)
        assert entry["filename"] == f"COCO_val2014_{entry['cocoid']:012d}.jpg"


def test_images_decode_and_are_small():
    pil = pytest.importorskip("PIL.Image")
    modes = set()
    for entry in images():
        path = ROOT / "coco" / entry["filepath"] / entry["filename"]
        with pil.open(path) as image:
            assert image.format == "JPEG"
            image.load()
            assert 200 <= min(image.size) <= max(image.size) <= 640
            assert np.asarray(image).std() > 5  # a picture, not a blank
            assert not image.getexif()
            modes.add(image.mode)
    assert modes == {"RGB", "L"}  # the sample has a grayscale JPEG on purpose


def test_five_distinct_captions_each():
    sentence_ids: list[int] = []
    for entry in images():
        sentences = entry["sentences"]
        assert len(sentences) == 5
        assert len({s["raw"].lower().rstrip(".") for s in sentences}) == 5
        assert entry["sentids"] == [s["sentid"] for s in sentences]
        sentence_ids += entry["sentids"]
        for sentence in sentences:
            assert sentence["imgid"] == entry["imgid"]
            assert sentence["tokens"] == re.findall(r"[a-z0-9']+", sentence["raw"].lower())
            assert 8 <= len(sentence["tokens"]) <= 14, sentence["raw"]
    assert len(set(sentence_ids)) == len(sentence_ids)


def test_clips_and_transcripts_pair_up():
    texts = transcripts()
    assert len(texts) >= 8
    there = {path.stem: path for path in (ROOT / "LibriSpeech").rglob("*.flac")}
    assert set(texts) == set(there)
    for utterance, text in texts.items():
        found = UTTERANCE.fullmatch(utterance)
        assert found
        assert there[utterance].parent == SUBSET / found[1] / found[2]
        assert TRANSCRIPT.fullmatch(text), text


def test_clips_are_16_khz_mono_and_hold_sound():
    soundfile = pytest.importorskip("soundfile")
    for path in sorted(SUBSET.rglob("*.flac")):
        info = soundfile.info(path)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert 1 <= info.duration <= 20
        samples, _ = soundfile.read(path, dtype="float32")
        assert np.sqrt(np.mean(samples**2)) > 0.005


def test_speakers_match_the_clips():
    soundfile = pytest.importorskip("soundfile")
    listed = speakers()
    assert len(listed) >= 4
    assert set(listed) == {path.name for path in SUBSET.iterdir()}
    for speaker, (sex, subset, minutes, name) in listed.items():
        assert sex in {"F", "M"}
        assert subset == "sample"
        assert name
        total = sum(soundfile.info(p).duration for p in (SUBSET / speaker).rglob("*.flac"))
        assert float(minutes) == pytest.approx(total / 60, abs=0.006)

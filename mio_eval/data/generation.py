"""Text in, media out: captions to images, transcripts to speech. The target is never shown.

These read the same files as captioning and recognition do, the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

from ..errors import UsageError
from ..types import Audio, Image, Sample, Text
from . import coco, librispeech
from .jsonfile import id_of, load_json, rows_of, schema_of, text_of
from .layout import MissingDataError, need_folder
from .voice import voice_clip


def read_coco_t2i(root: Path, split: str) -> Iterator[Sample]:
    """Yield the first caption of each image of a Karpathy split; the image is the target."""
    for sample in coco.read_karpathy(root, split):
        if not sample.references:
            raise UsageError(
                f"{root / 'dataset_coco.json'}: image {sample.id} has no caption; "
                "this is not the official file, fetch it again"
            )
        yield _to_image(sample.id, sample.references[0], sample.inputs["image"])


def read_flickr30k_t2i(root: Path, split: str) -> Iterator[Sample]:
    """Yield one caption an image of Flickr30K's Karpathy split (`dataset_flickr30k.json`)."""
    path = root / "dataset_flickr30k.json"
    data = load_json(path)
    with schema_of(path):
        for row in rows_of(data, "images"):
            if row["split"] == split:
                name = text_of(row, "filename")
                image = Image(root / "flickr30k-images" / name)
                caption = text_of(rows_of(row, "sentences")[0], "raw")
                yield _to_image(Path(name).stem, caption, image)


def _to_image(sample_id: str, caption: str, image: object) -> Sample:
    assert isinstance(image, Image)
    return Sample(
        sample_id,
        {"caption": Text(caption.strip())},
        (caption.strip(),),
        cluster=sample_id,
        targets={"image": image},
    )


def read_librispeech_tts(root: Path, split: str) -> Iterator[Sample]:
    """Yield LibriSpeech's transcripts, in lower case; the recording is the target."""
    for sample in librispeech.read(root, split):
        text = sample.references[0]
        audio = sample.inputs["audio"]
        yield Sample(
            sample.id,
            {"text": Text(text.lower())},
            (text,),
            cluster=sample.cluster,
            meta=sample.meta,
            targets={"audio": audio},
        )


def read_vctk(root: Path, split: str) -> Iterator[Sample]:
    """Yield VCTK's sentences: `txt/<speaker>/<id>.txt`, recordings in either release's layout.

    Recordings are `wav48_silence_trimmed/<speaker>/<id>_mic1.flac` (release 0.92) or
    `wav48/<speaker>/<id>.wav` (0.80). Utterances come in the order of speaker and number.
    """
    del split  # VCTK has no official split
    for path in _vctk_texts(root):
        speaker = path.parent.name
        text = _sentence(path)
        yield Sample(
            path.stem,
            {"text": Text(text)},
            (text,),
            cluster=speaker,
            meta={"speaker": speaker},
            targets={"audio": Audio(_vctk_recording(root, path))},
        )


def read_vctk_voice(root: Path, split: str) -> Iterator[Sample]:
    """Yield one sentence a speaker of VCTK, to be spoken in the voice of 3 s of another recording.

    This is AnyGPT's zero-shot protocol (arXiv 2402.12226v5, App. C). It draws clip and sentence at
    random; here the sha256 of utterance ids decides, so that every run has the same ones. The
    clip is both the input `audio` and the target, because AnyGPT compares with the prompt.
    """
    del split
    for speaker, paths in groupby(_vctk_texts(root), lambda path: path.parent.name):
        drawn = sorted(paths, key=lambda path: hashlib.sha256(path.stem.encode()).digest())
        if len(drawn) == 1:
            raise UsageError(
                f"{drawn[0]}: speaker {speaker} has this one sentence, and the voice is taken "
                "from another recording; use the whole corpus"
            )
        path, other = drawn[:2]
        text = _sentence(path)
        voice = voice_clip(_vctk_recording(root, other))
        yield Sample(
            path.stem,
            {"text": Text(text), "audio": voice},
            (text,),
            cluster=speaker,
            meta={"speaker": speaker, "voice": other.stem},
            targets={"audio": voice},
        )


def _vctk_texts(root: Path) -> list[Path]:
    folder = need_folder(root / "txt")
    texts = sorted(folder.glob("*/*.txt"))
    if not texts:
        raise MissingDataError(folder / "<speaker>" / "<speaker>_001.txt")
    return texts


def _vctk_recording(root: Path, text: Path) -> Path:
    new = root / "wav48_silence_trimmed"
    if new.is_dir():
        return new / text.parent.name / f"{text.stem}_mic1.flac"
    return root / "wav48" / text.parent.name / f"{text.stem}.wav"


def _sentence(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8; fetch the corpus again") from error
    if not text:
        raise UsageError(f"{path} is empty; fetch the corpus again")
    return text


def read_globe(root: Path, split: str) -> Iterator[Sample]:
    """Yield GLOBE's sentences from its Parquet files `<split>-*.parquet`, as the hub has them.

    Columns audio, transcript and speaker_id are read; the recording is the target.
    """
    from .hub import load_rows, row_bytes

    if not any(root.glob(f"{split}-*.parquet")):
        raise MissingDataError(root / f"{split}-00000-of-00001.parquet")
    rows = load_rows(str(root / f"{split}-*.parquet"), "audio", ("transcript", "speaker_id"))
    for index, row in enumerate(rows.select_columns(["transcript", "speaker_id"])):
        sample_id = f"{split}-{index:05d}"
        with schema_of(root / f"{split}-*.parquet"):
            text, speaker = text_of(row, "transcript").strip(), id_of(row, "speaker_id")
        audio = Audio(load=partial(row_bytes, rows, index, "audio"), name=f"{sample_id}.wav")
        yield Sample(
            sample_id,
            {"text": Text(text)},
            (text,),
            cluster=speaker,
            meta={"speaker": speaker},
            targets={"audio": audio},
        )

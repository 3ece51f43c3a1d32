"""Text in, media out: captions to images, transcripts to speech. The target is never shown.

These read the same files as captioning and recognition do, the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..types import Audio, Image, Sample, Text
from . import coco, librispeech
from .jsonfile import load_json, schema_of
from .layout import MissingDataError, need_folder


def read_coco_t2i(root: Path, split: str) -> Iterator[Sample]:
    """Yield the first caption of each image of a Karpathy split; the image is the target."""
    for sample in coco.read_karpathy(root, split):
        yield _to_image(sample.id, sample.references[0], sample.inputs["image"])


def read_flickr30k_t2i(root: Path, split: str) -> Iterator[Sample]:
    """Yield one caption an image of Flickr30K's Karpathy split (`dataset_flickr30k.json`)."""
    path = root / "dataset_flickr30k.json"
    data = load_json(path)
    with schema_of(path):
        for row in data["images"]:
            if row["split"] == split:
                image = Image(root / "flickr30k-images" / row["filename"])
                yield _to_image(Path(row["filename"]).stem, row["sentences"][0]["raw"], image)


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
    folder = need_folder(root / "txt")
    new = root / "wav48_silence_trimmed"
    texts = sorted(folder.glob("*/*.txt"))
    if not texts:
        raise MissingDataError(folder / "<speaker>" / "<speaker>_001.txt")
    for path in texts:
        speaker = path.parent.name
        if new.is_dir():
            audio = new / speaker / f"{path.stem}_mic1.flac"
        else:
            audio = root / "wav48" / speaker / f"{path.stem}.wav"
        try:
            text = path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8; fetch the corpus again") from error
        yield Sample(
            path.stem,
            {"text": Text(text)},
            (text,),
            cluster=speaker,
            meta={"speaker": speaker},
            targets={"audio": Audio(audio)},
        )


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
        audio = Audio(load=partial(row_bytes, rows, index, "audio"), name=f"{sample_id}.wav")
        yield Sample(
            sample_id,
            {"text": Text(row["transcript"].strip())},
            (row["transcript"].strip(),),
            cluster=str(row["speaker_id"]),
            meta={"speaker": str(row["speaker_id"])},
            targets={"audio": audio},
        )

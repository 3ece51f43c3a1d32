"""Small data sets in the official layouts, made at test time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

ANIMALS = ("cat", "dog", "bird", "horse", "cow", "sheep", "bear", "zebra")
PLACES = ("on a mat", "in a park", "by the lake", "near a fence", "under a tree")


def captions_of(index: int) -> list[str]:
    """Five captions of a made-up image."""
    animal, place = ANIMALS[index % len(ANIMALS)], PLACES[index % len(PLACES)]
    return [
        f"A {animal} sits {place}.",
        f"a small {animal} {place}",
        f"There is a {animal} {place} on a sunny day.",
        f"One {animal} resting {place}",
        f"The {animal} looks around {place}.",
    ]


def write_coco(root: Path, count: int = 12) -> Path:
    """Write a COCO tree: Karpathy's file, official captions, images. Returns the data dir."""
    from PIL import Image

    images, official, annotations = [], [], []
    folder = root / "coco" / "val2014"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        cocoid = 1000 + index
        name = f"COCO_val2014_{cocoid:012d}.jpg"
        pixels = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        captions = captions_of(index)
        images.append(
            {
                "filepath": "val2014",
                "filename": name,
                "imgid": index,
                "split": "test",
                "cocoid": cocoid,
                "sentences": [{"raw": text} for text in captions],
            }
        )
        official.append({"id": cocoid, "file_name": name})
        annotations += [{"image_id": cocoid, "caption": text} for text in captions]
    images.append({**images[0], "split": "train", "cocoid": 1})
    (root / "coco" / "dataset_coco.json").write_text(
        json.dumps({"images": images, "dataset": "coco"})
    )
    (root / "coco" / "annotations").mkdir()
    (root / "coco" / "annotations" / "captions_val2014.json").write_text(
        json.dumps({"images": official, "annotations": annotations})
    )
    return root


def write_librispeech(root: Path, speakers: int = 3, utterances: int = 4) -> Path:
    """Write a LibriSpeech test-clean tree of short tones. Returns the data dir."""
    import soundfile

    words = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN"]
    for speaker in range(speakers):
        folder = root / "LibriSpeech" / "test-clean" / str(100 + speaker) / "7"
        folder.mkdir(parents=True)
        lines = []
        for number in range(utterances):
            name = f"{100 + speaker}-7-{number:04d}"
            lines.append(f"{name} {' '.join(words[: 2 + (speaker + number) % 5])}")
            time = np.arange(4000 + 100 * number) / 16000
            soundfile.write(
                folder / f"{name}.flac", 0.1 * np.sin(700 * time * (speaker + 1)), 16000
            )
        (folder / f"{100 + speaker}-7.trans.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with small COCO and LibriSpeech trees."""
    folder = tmp_path / "data"
    write_coco(folder)
    write_librispeech(folder)
    return folder


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command line in its own process, in a temporary folder."""

    def call(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mio_eval", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=options.pop("cwd", tmp_path),
            timeout=300,
            check=False,
            **options,
        )

    return call


def write_jsonl(path: Path, rows: Sequence[object]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path

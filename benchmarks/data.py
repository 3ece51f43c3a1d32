"""The data of the benchmarks: COCO's own captions, and seeded synthetic speech."""

from __future__ import annotations

import importlib.util
import json
import random
import zipfile
from pathlib import Path

_JAR = "spice/spice-1.0.jar"
_CAPTIONS = "coco/annotations/captions_val2014.json"
_SEED = 20140901
_VOCABULARY = 6_000
_ERRORS = 0.05  # share of words that the synthetic recogniser gets wrong
# What text normalisers work on, each group 1 % of the words, as in read books.
_NUMBERS = ("one", "two", "three", "ten", "twenty", "first", "hundred")
_CONTRACTIONS = ("don't", "it's", "i'll", "man's", "he'd", "couldn't")


def coco_captions() -> dict[int, list[str]]:
    """Return the captions of COCO val2014 by image, from the archive pycocoevalcap ships."""
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("this benchmark needs pycocoevalcap==1.2: pip install 'mio-eval[caption]'")
    jar = Path(package.submodule_search_locations[0]) / _JAR
    with zipfile.ZipFile(jar) as archive:
        data = json.loads(archive.read(_CAPTIONS))
    captions: dict[int, list[str]] = {}
    for row in data["annotations"]:
        captions.setdefault(row["image_id"], []).append(row["caption"])
    return captions


def split_captions(
    captions: dict[int, list[str]],
) -> tuple[dict[int, str], dict[int, list[str]]]:
    """Take each image's first caption for the model's, the others for its references."""
    return {i: c[0] for i, c in captions.items()}, {i: c[1:] for i, c in captions.items()}


def utterances(count: int) -> list[tuple[str, str]]:
    """Make pairs (reference, hypothesis) as long as LibriSpeech's: 20 words on average."""
    draw = random.Random(_SEED)  # noqa: S311
    words = [
        "".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(2, 9))) for _ in range(_VOCABULARY)
    ]
    weights = [1.0 / rank for rank in range(1, _VOCABULARY + 1)]
    pairs = []
    for _ in range(count):
        reference = draw.choices(words, weights, k=max(2, round(draw.gauss(20, 9))))
        for group in (_NUMBERS, _CONTRACTIONS):
            reference = [draw.choice(group) if draw.random() < 0.01 else w for w in reference]
        pairs.append((" ".join(reference).upper(), _recognised(reference, words, draw)))
    return pairs


def _recognised(reference: list[str], words: list[str], draw: random.Random) -> str:
    heard: list[str] = []
    for word in reference:
        chance = draw.random()
        if chance < _ERRORS * 0.7:
            heard.append(draw.choice(words))
        elif chance < _ERRORS * 0.85:
            heard += [word, draw.choice(words)]
        elif chance >= _ERRORS:
            heard.append(word)
    return " ".join(heard).capitalize() + "."


def write_librispeech(root: Path, count: int, speakers: int = 40, sounds: bool = True) -> None:
    """Write `count` utterances in LibriSpeech's layout, each with a small file for its sound."""
    pairs = utterances(count)
    for speaker in range(speakers):
        chapter = root / "LibriSpeech" / "test-clean" / str(speaker) / "1"
        chapter.mkdir(parents=True)
        lines = []
        for number in range(speaker, count, speakers):
            name = f"{speaker}-1-{number:06d}"
            if sounds:
                (chapter / f"{name}.flac").write_bytes(name.encode() * 64)
            lines.append(f"{name} {pairs[number][0]}\n")
        (chapter / f"{speaker}-1.trans.txt").write_text("".join(lines), encoding="utf-8")


def write_requests(folder: Path, count: int) -> None:
    """Write the same utterances as text requests, one JSON line each."""
    with (folder / "requests.jsonl").open("w", encoding="utf-8") as file:
        for reference, _ in utterances(count):
            file.write(json.dumps({"text": reference}) + "\n")

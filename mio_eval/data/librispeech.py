"""LibriSpeech: `<split>/<speaker>/<chapter>/<id>.flac` beside `<speaker>-<chapter>.trans.txt`.

The transcript files decide which utterances there are; extra audio is not read. Samples are
ordered by speaker, chapter and utterance number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..types import Audio, Sample
from .layout import MissingDataError, need_folder


def read(root: Path, split: str) -> Iterator[Sample]:
    """Yield the utterances of one split; `root` is the folder `LibriSpeech`."""
    folder = need_folder(root / split)
    transcripts = sorted(folder.glob("*/*/*.trans.txt"), key=_order)
    if not transcripts:
        raise MissingDataError(folder / "<speaker>" / "<chapter>" / "<speaker>-<chapter>.trans.txt")
    for path in transcripts:
        chapter = path.parent
        speaker = chapter.parent.name
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            utterance, space, text = line.strip().partition(" ")
            if not space:
                raise UsageError(
                    f"{path} line {number}: expected 'ID TRANSCRIPT', got {line[:60]!r}; "
                    "fetch the split again"
                )
            yield Sample(
                utterance,
                {"audio": Audio(chapter / f"{utterance}.flac")},
                (text,),
                cluster=speaker,
                meta={"speaker": speaker, "chapter": chapter.name},
            )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 ({error}); fetch the split again") from error


def _order(path: Path) -> tuple[tuple[int, str], tuple[int, str]]:
    """Sort speakers and chapters by number where they are numbers."""
    speaker, chapter = path.parent.parent.name, path.parent.name
    return _number(speaker), _number(chapter)


def _number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (1 << 60, text)

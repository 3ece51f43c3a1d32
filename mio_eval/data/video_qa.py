"""MSVD-QA and MSRVTT-QA: `test_qa.json` and a folder of videos, as their authors release them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import UsageError
from ..types import Sample, Text, Video
from .jsonfile import id_of, load_json, rows_of, schema_of, text_of
from .layout import need_file


def read_msvd_qa(root: Path, split: str) -> Iterator[Sample]:
    """Yield MSVD-QA's questions; `youtube_mapping.txt` names each video's file."""
    mapping = {}
    path = need_file(root / "youtube_mapping.txt")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 ({error}); fetch the file again") from error
    for count, line in enumerate(lines, 1):
        if line.strip():
            name, space, number = line.strip().rpartition(" ")
            if not space:
                raise UsageError(
                    f"{path} line {count}: expected 'VIDEO_NAME vidN', got {line.strip()[:60]!r}; "
                    "fetch the file again"
                )
            mapping[number.removeprefix("vid")] = name
    yield from _read(root, split, lambda number: f"{mapping.get(number, 'vid' + number)}.avi")


def read_msrvtt_qa(root: Path, split: str) -> Iterator[Sample]:
    """Yield MSRVTT-QA's questions; video 7010 is `video/video7010.mp4`."""
    yield from _read(root, split, lambda number: f"video{number}.mp4")


def _read(root: Path, split: str, file_name: Callable[[str], str]) -> Iterator[Sample]:
    path = root / f"{split}_qa.json"
    rows = load_json(path)
    with schema_of(path):
        for row in rows_of(rows):
            video = id_of(row, "video_id")
            yield Sample(
                id_of(row, "id"),
                {
                    "video": Video(root / "video" / file_name(video)),
                    "question": Text(text_of(row, "question")),
                },
                (text_of(row, "answer"),),
                cluster=video,
            )

"""MSVD-QA and MSRVTT-QA: `test_qa.json` and a folder of videos, as their authors release them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..types import Sample, Text, Video
from .jsonfile import load_json, schema_of
from .layout import need_file


def read_msvd_qa(root: Path, split: str) -> Iterator[Sample]:
    """Yield MSVD-QA's questions; `youtube_mapping.txt` names each video's file."""
    mapping = {}
    path = need_file(root / "youtube_mapping.txt")
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            name, _, number = line.strip().rpartition(" ")
            mapping[number.removeprefix("vid")] = name
    yield from _read(root, split, lambda number: f"{mapping.get(number, 'vid' + number)}.avi")


def read_msrvtt_qa(root: Path, split: str) -> Iterator[Sample]:
    """Yield MSRVTT-QA's questions; video 7010 is `video/video7010.mp4`."""
    yield from _read(root, split, lambda number: f"video{number}.mp4")


def _read(root: Path, split: str, file_name: Callable[[str], str]) -> Iterator[Sample]:
    path = root / f"{split}_qa.json"
    rows = load_json(path)
    with schema_of(path):
        for row in rows:
            video = str(row["video_id"])
            yield Sample(
                str(row["id"]),
                {
                    "video": Video(root / "video" / file_name(video)),
                    "question": Text(row["question"]),
                },
                (row["answer"],),
                cluster=video,
            )

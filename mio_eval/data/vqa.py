"""Visual question answering: VQAv2, OK-VQA and VizWiz in their official layouts.

Every sample has the question, the image and the human answers in the file's order (ten where the
official set has ten). Splits without public answers have no references: their outputs are exported
for the evaluation server, not scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..types import Image, Sample, Text
from .jsonfile import load_json, schema_of

_VQAV2 = {
    # split: questions, annotations (none: answers are not public), image folder
    "val": ("v2_OpenEnded_mscoco_val2014_questions", "v2_mscoco_val2014_annotations", "val2014"),
    "test-dev": ("v2_OpenEnded_mscoco_test-dev2015_questions", None, "test2015"),
}
_OKVQA = {
    "val2014": ("OpenEnded_mscoco_val2014_questions", "mscoco_val2014_annotations", "val2014")
}


def read_vqav2(root: Path, split: str) -> Iterator[Sample]:
    """Yield VQAv2's questions; `root` holds the JSON files, images lie there or in `../coco`."""
    yield from _read_coco(root, *_VQAV2[split])


def read_okvqa(root: Path, split: str) -> Iterator[Sample]:
    """Yield OK-VQA's questions, in the layout of VQA."""
    yield from _read_coco(root, *_OKVQA[split])


def read_vizwiz(root: Path, split: str) -> Iterator[Sample]:
    """Yield VizWiz's questions: `Annotations/<split>.json` and `<split>/*.jpg`.

    The test split has no answers. `meta` keeps whether the question can be answered.
    """
    path = root / "Annotations" / f"{split}.json"
    rows = load_json(path)
    with schema_of(path):
        for row in rows:
            name = row["image"]
            answers = tuple(answer["answer"] for answer in row.get("answers", ()))
            yield Sample(
                Path(name).stem,
                {
                    "image": Image(root / split / name),
                    "question": Text(row["question"]),
                    # LMMs-Eval's VizWiz prompt puts the question through str.capitalize.
                    "question_capitalized": Text(row["question"].capitalize()),
                },
                answers,
                cluster=Path(name).stem,
                meta={"answerable": row["answerable"]} if "answerable" in row else {},
            )


def _read_coco(
    root: Path, questions: str, annotations: str | None, folder: str
) -> Iterator[Sample]:
    answers: dict[int, tuple[str, ...]] = {}
    if annotations is not None:
        path = root / f"{annotations}.json"
        data = load_json(path)
        with schema_of(path):
            for row in data["annotations"]:
                answers[row["question_id"]] = tuple(a["answer"] for a in row["answers"])
    path = root / f"{questions}.json"
    data = load_json(path)
    images = coco_images(root, folder)
    with schema_of(path):
        for row in data["questions"]:
            name = f"COCO_{folder}_{row['image_id']:012d}.jpg"
            yield Sample(
                str(row["question_id"]),
                {"image": Image(images / name), "question": Text(row["question"])},
                answers.get(row["question_id"], ()),
                cluster=str(row["image_id"]),
            )


def coco_images(root: Path, folder: str) -> Path:
    """Find COCO's image folder: beside the questions, or in the `coco` data set."""
    own = root / folder
    return own if own.is_dir() else root.parent / "coco" / folder

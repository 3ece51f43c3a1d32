"""Visual question answering: VQAv2, OK-VQA and VizWiz in their official layouts.

Every sample has the question, the image and the human answers in the file's order (ten where the
official set has ten). Splits without public answers have no references: their outputs are exported
for the evaluation server, not scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..types import Image, Json, Sample, Text
from .jsonfile import id_of, load_json, rows_of, schema_of, text_of

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

    The test split has no answers. `meta` keeps whether the question can be answered; without
    answers the image's file name, by which the evaluation server knows the question.
    """
    path = root / "Annotations" / f"{split}.json"
    rows = load_json(path)
    with schema_of(path):
        for row in rows_of(rows):
            name = text_of(row, "image")
            question = text_of(row, "question")
            answered = "answers" in row
            yield Sample(
                Path(name).stem,
                {
                    "image": Image(root / split / name),
                    "question": Text(question),
                    # LMMs-Eval's VizWiz prompt puts the question through str.capitalize.
                    "question_capitalized": Text(question.capitalize()),
                },
                _answers(row) if answered else (),
                cluster=Path(name).stem,
                meta=({"answerable": row["answerable"]} if "answerable" in row else {})
                | ({} if answered else {"image": name})
                | _group(row),
            )


def _group(row: Json) -> dict[str, str]:
    """Name the group a row is reported in: yes/no, number, other (VizWiz: unanswerable too)."""
    return {"group": text_of(row, "answer_type")} if "answer_type" in row else {}


def _answers(row: Json) -> tuple[str, ...]:
    return tuple(text_of(answer, "answer") for answer in rows_of(row, "answers"))


def _read_coco(
    root: Path, questions: str, annotations: str | None, folder: str
) -> Iterator[Sample]:
    answers: dict[str, tuple[str, ...]] = {}
    groups: dict[str, dict[str, str]] = {}
    if annotations is not None:
        path = root / f"{annotations}.json"
        data = load_json(path)
        with schema_of(path):
            for row in rows_of(data, "annotations"):
                answers[id_of(row, "question_id")] = _answers(row)
                groups[id_of(row, "question_id")] = _group(row)
    path = root / f"{questions}.json"
    data = load_json(path)
    images = coco_images(root, folder)
    with schema_of(path):
        for row in rows_of(data, "questions"):
            name = f"COCO_{folder}_{int(id_of(row, 'image_id')):012d}.jpg"
            question_id = id_of(row, "question_id")
            yield Sample(
                question_id,
                {"image": Image(images / name), "question": Text(text_of(row, "question"))},
                answers.get(question_id, ()),
                cluster=str(row["image_id"]),
                meta=groups.get(question_id, {}),
            )


def coco_images(root: Path, folder: str) -> Path:
    """Find COCO's image folder: beside the questions, or in the `coco` data set."""
    own = root / folder
    return own if own.is_dir() else root.parent / "coco" / folder

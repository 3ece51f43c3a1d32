"""Multiple-choice sets: SEED-Bench-1 (image part) and OmniBench.

The correct letter is the reference; `meta` keeps the options and the group a row is reported in.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..types import Audio, Image, Sample, Text
from .jsonfile import id_of, load_json, load_jsonl, rows_of, schema_of, text_of

LETTERS = "ABCD"
_OMNIBENCH = "batch-5_1142_20240817.jsonl"
_OMNIBENCH_SPLITS = {"all": None, "speech": "speech", "sound": "sound event", "music": "music"}


def read_seed_bench(root: Path, split: str) -> Iterator[Sample]:
    """Yield the image questions of `SEED-Bench.json`; images lie in `SEED-Bench-image/`.

    Split `image` is dimensions 1–9, the spatial part that papers report.
    """
    path = root / "SEED-Bench.json"
    data = load_json(path)
    with schema_of(path):
        names = {number: name for name, number in data["question_type"].items()}
        for row in rows_of(data, "questions"):
            if row["data_type"] != split:
                continue
            choices = [text_of(row, f"choice_{letter}") for letter in "abcd"]
            answer = text_of(row, "answer")
            if len(answer) != 1 or answer not in LETTERS:
                raise ValueError(f"the answer {answer!r:.40} is no letter from A to D")
            image = text_of(row, "data_id")
            yield Sample(
                id_of(row, "question_id"),
                {
                    "image": Image(root / "SEED-Bench-image" / image),
                    "question": Text(text_of(row, "question")),
                    **{
                        f"choice_{letter}": Text(c)
                        for letter, c in zip("abcd", choices, strict=True)
                    },
                },
                (answer,),
                cluster=image,
                meta={"choices": choices, "group": names[row["question_type_id"]]},
            )


def read_omnibench(root: Path, split: str) -> Iterator[Sample]:
    """Yield OmniBench's questions: image, sound, question and four options.

    `root` holds the released JSON Lines file and `mm_data/`; splits are `all` and the sound types.
    """
    path = root / _OMNIBENCH
    wanted = _OMNIBENCH_SPLITS[split]
    for number, row in load_jsonl(path):
        with schema_of(path):
            group = text_of(row, "audio type").strip().lower()
            if wanted is not None and group != wanted:
                continue
            options = [str(option).strip() for option in rows_of(row, "options")]
            answer = str(row["answer"]).strip()
            if answer not in options or len(options) > len(LETTERS):
                raise UsageError(
                    f"{path} line {number}: the answer {answer!r} is not one of the options; "
                    "fetch the file again"
                )
            yield Sample(
                id_of(row, "index"),
                {
                    "image": Image(root / "mm_data" / "image" / row["image_path"]),
                    "audio": Audio(root / "mm_data" / "audio" / row["audio_path"]),
                    "question": Text(text_of(row, "question")),
                    "options": Text(
                        "\n".join(f"{a}. {o}" for a, o in zip(LETTERS, options, strict=False))
                    ),
                },
                (LETTERS[options.index(answer)],),
                cluster=str(row["image_path"]),
                meta={"choices": options, "group": group},
            )

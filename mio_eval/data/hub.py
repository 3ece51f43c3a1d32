"""Data sets as Parquet files in the Hugging Face hub's schema, through `datasets`.

Files are named by pattern within one revision, so no code of the data set runs. Media stay
encoded (`decode=False`) and are read row by row: memory does not grow with the split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from ..errors import UsageError, first_line
from ..types import Audio, Image, Json, Sample


def load_rows(files: str, media_column: str, columns: tuple[str, ...]) -> Any:
    """Open Parquet files as a `datasets.Dataset` whose media column stays encoded.

    `files` is a path or an `hf://` address, with wildcards. Raises UsageError when the files
    cannot be had or lack a column.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            "reading the Hugging Face hub needs `datasets`: pip install 'mio-eval[hub]'"
        ) from error
    try:
        rows = datasets.load_dataset("parquet", data_files={"split": files}, split="split")
    # Errors of the network come from whichever HTTP library huggingface_hub uses.
    except Exception as error:
        raise UsageError(
            f"cannot read {files} ({first_line(error)}); "
            "check the network, or use --data-dir with local files"
        ) from error
    if missing := [c for c in (media_column, *columns) if c not in rows.column_names]:
        raise UsageError(
            f"{files}: no column {', '.join(missing)}; it has {', '.join(rows.column_names)}; "
            "name a revision with the hub's columns in the task file"
        )
    kind = datasets.Image if media_column == "image" else datasets.Audio
    return rows.cast_column(media_column, kind(decode=False))


def row_bytes(rows: Any, index: int, column: str) -> bytes:
    """Return the encoded medium of a row. Raises FileNotFoundError when the row holds none."""
    value: Mapping[str, Json] = rows[index][column]
    if value.get("bytes") is None:
        raise FileNotFoundError(f"row {index}: column {column} holds no bytes")
    data: bytes = value["bytes"]
    return data


def read_coco(files: str) -> Iterator[Sample]:
    """Yield COCO images with their captions (columns image, caption, filename)."""
    rows = load_rows(files, "image", ("caption", "filename"))
    facts = rows.select_columns(["caption", "filename"])
    for index, row in enumerate(facts):
        name = PurePosixPath(row["filename"]).name
        digits = name.rpartition(".")[0].rpartition("_")[2]
        sample_id = str(int(digits)) if digits.isdecimal() else name
        captions = [row["caption"]] if isinstance(row["caption"], str) else row["caption"]
        if not captions or not all(isinstance(caption, str) for caption in captions):
            raise UsageError(f"{files}: row {index} has no captions; name another revision")
        image = Image(load=partial(row_bytes, rows, index, "image"), name=name)
        yield Sample(sample_id, {"image": image}, tuple(captions), cluster=sample_id)


def read_librispeech(files: str) -> Iterator[Sample]:
    """Yield LibriSpeech utterances (columns audio, text, speaker_id, chapter_id, id)."""
    rows = load_rows(files, "audio", ("text", "speaker_id", "chapter_id", "id"))
    facts = rows.select_columns(["text", "speaker_id", "chapter_id", "id"])
    for index, row in enumerate(facts):
        speaker = str(row["speaker_id"])
        audio = Audio(load=partial(row_bytes, rows, index, "audio"), name=f"{row['id']}.flac")
        yield Sample(
            row["id"],
            {"audio": audio},
            (row["text"],),
            cluster=speaker,
            meta={"speaker": speaker, "chapter": str(row["chapter_id"])},
        )

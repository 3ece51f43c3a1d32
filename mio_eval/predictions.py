"""Files of predictions and references, with errors that name line and id."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UsageError
from .jsonio import clean_text
from .types import MODALITIES, Json, Modality

_SHOWN = 5  # ids named in an error
_BRIEF = 80  # characters shown of a wrong line


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of a predictions file: text, or the path of a medium relative to the file."""

    modality: Modality
    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One line of a references file."""

    references: tuple[str, ...]
    cluster: str
    meta: Mapping[str, Json] = field(default_factory=dict)


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Read `{"id": …, "text"|"image"|"audio"|"video": …}` lines, keyed by id.

    Raises UsageError for a malformed line and for duplicate ids (the first five are named).
    """
    found: dict[str, Prediction] = {}
    duplicates: list[str] = []
    for number, row in _lines(path):
        given = [modality for modality in MODALITIES if modality in row]
        if len(given) != 1 or not isinstance(row[given[0]], str):
            raise UsageError(
                f"{path} line {number}: expected one of {', '.join(MODALITIES)} with a string, "
                f"got {_brief(row)}"
            )
        modality = given[0]
        if row["id"] in found:
            duplicates.append(row["id"])
        value = clean_text(row[modality])
        if modality != "text":
            _check_relative(path, number, value)
        found[row["id"]] = Prediction(modality, value)
    if duplicates:
        raise UsageError(f"{path}: duplicate {_ids(duplicates)}; give each id once")
    return found


def read_references(path: Path) -> dict[str, Reference]:
    """Read the lines of a references file, keyed by id.

    A line has `references` (captions, transcripts), `answers` (VQA's human answers), or `choices`
    and the right letter `answer`; `cluster` is the unit of resampling, the id by default.
    """
    found: dict[str, Reference] = {}
    duplicates: list[str] = []
    for number, row in _lines(path):
        meta: dict[str, Json] = {}
        if "choices" in row:
            meta["choices"] = _strings(path, number, row, "choices")
            if not isinstance(row.get("answer"), str):
                raise UsageError(
                    f'{path} line {number}: expected "answer": the letter of the right choice, '
                    f"got {_brief(row.get('answer'))}"
                )
            references = [row["answer"]]
        else:
            references = _strings(
                path, number, row, "answers" if "answers" in row else "references"
            )
        if row["id"] in found:
            duplicates.append(row["id"])
        cluster = row.get("cluster", row["id"])
        found[row["id"]] = Reference(tuple(map(clean_text, references)), str(cluster), meta)
    if duplicates:
        raise UsageError(f"{path}: duplicate {_ids(duplicates)}; give each id once")
    return found


def _strings(path: Path, number: int, row: dict[str, Json], name: str) -> list[str]:
    """Return a field that must be a list of one or more strings."""
    value = row.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise UsageError(
            f'{path} line {number}: expected "{name}": a list of one or more strings, '
            f"got {_brief(value)}"
        )
    return value


def check_ids(
    path: Path,
    given: Mapping[str, object],
    known: Collection[str],
    wanted: Collection[str],
    *,
    allow_partial: bool = False,
) -> None:
    """Refuse predictions for unknown samples, and missing wanted ones unless `allow_partial`.

    Raises UsageError naming the first five ids.
    """
    known = set(known)
    if extra := [sample_id for sample_id in given if sample_id not in known]:
        raise UsageError(
            f"{path}: unknown {_ids(extra)}; the data has no such sample (check the task and split)"
        )
    if not allow_partial and (missing := [i for i in wanted if i not in given]):
        raise UsageError(
            f"{path}: missing {_ids(missing)}; predict every sample, or pass --allow-partial to "
            "count missing ones as failed"
        )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise UsageError(
                        f"{path} line {number}: not JSON ({error}); write one object a line"
                    ) from error
                if not isinstance(row, dict) or not isinstance(row.get("id"), str):
                    given = f"id {row['id']!r}" if isinstance(row, dict) and "id" in row else "none"
                    raise UsageError(
                        f'{path} line {number}: expected an object with "id": a string, got {given}'
                    )
                row["id"] = clean_text(row["id"])
                yield number, row
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _check_relative(path: Path, number: int, value: str) -> None:
    target = Path(value)
    if target.is_absolute() or ".." in target.parts:
        raise UsageError(
            f"{path} line {number}: {value!r} must be a path inside the file's folder, without '..'"
        )


def _brief(value: Json) -> str:
    """Show a value of a file, shortened."""
    text = json.dumps(value)
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}…"


def _ids(ids: list[str]) -> str:
    shown = ", ".join(repr(i) for i in ids[:_SHOWN])
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"id{'s' if len(ids) > 1 else ''} {shown}{more}"

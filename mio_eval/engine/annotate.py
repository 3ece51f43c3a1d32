"""The annotate stage: judges look at finished outputs, one judge at a time, each output once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..annotators import Annotator, get_annotator
from ..jsonio import digest
from ..types import Json
from .journal import Journal, read_journal, repair_journal
from .progress import Progress
from .rundir import ANNOTATIONS, SAMPLES

_WINDOW = 64  # samples handed to a judge at once


def annotate_task(
    folder: Path,
    names: Iterable[str],
    progress: Progress,
    find: Callable[[str], Annotator] = get_annotator,
) -> None:
    """Run the named judges over a task's finished samples; what is judged already is kept."""
    path = folder / ANNOTATIONS
    done = repair_journal(path)
    with Journal(path) as journal:
        for name in names:
            annotator = find(name)
            try:
                _annotate(annotator, folder, journal, done, progress)
            finally:
                annotator.close()


def _annotate(
    annotator: Annotator, folder: Path, journal: Journal, done: set[str], progress: Progress
) -> None:
    judge = digest(annotator.identity())
    progress.start(f"annotate {annotator.name}", folder.name, None, 0)
    open_records = (
        record
        for record in read_journal(folder / SAMPLES)
        if record["status"] == "ok" and annotation_id(annotator.name, judge, record) not in done
    )
    for records in _windows(open_records, _WINDOW):
        by_id = {record["id"]: record for record in records}
        for annotation in annotator.annotate(records, folder.parent):
            line: dict[str, Json] = {
                "id": annotation_id(annotator.name, judge, by_id[annotation.sample_id]),
                "sample": annotation.sample_id,
                "annotator": annotator.name,
                "status": "ok",
                "value": annotation.value,
                "error": None,
            }
            if annotation.failure is not None:
                error = annotation.failure
                line.update(
                    status="failed",
                    error={"stage": "annotate", "type": error.type, "message": error.message},
                )
            journal.append(line)
            progress.advance(failed=annotation.failure is not None)
    progress.finish()


def annotation_id(name: str, judge: str, record: Json) -> str:
    """Name a judgement by judge and judged content, so that another output is judged anew."""
    return digest([name, judge, record["id"], record["output"]])


def read_annotations(folder: Path) -> dict[str, dict[str, Json]]:
    """Return sample id → annotator → the annotation's record."""
    found: dict[str, dict[str, Json]] = {}
    for line in read_journal(folder / ANNOTATIONS):
        found.setdefault(line["sample"], {})[line["annotator"]] = line
    return found


def _windows(records: Iterator[Json], size: int) -> Iterator[Sequence[Json]]:
    window: list[Json] = []
    for record in records:
        window.append(record)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window

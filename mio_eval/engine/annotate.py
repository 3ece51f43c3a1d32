"""The annotate stage: judges look at finished outputs, one judge at a time, each output once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..annotators import Annotation, Annotator, get_annotator
from ..errors import MioEvalError
from ..jsonio import digest, write_atomic
from ..types import Failure, Json
from .journal import Journal, is_ok, json_line, read_journal, repair_journal
from .progress import Progress
from .rundir import ANNOTATIONS, SAMPLES
from .vectors import VectorWriter, has_vectors, is_place

_WINDOW = 64  # samples handed to a judge at once


def annotate_task(
    folder: Path,
    names: Iterable[str],
    progress: Progress,
    find: Callable[[str], Annotator] = get_annotator,
) -> None:
    """Run the named judges over a task's finished samples; what is judged already is kept."""
    path = folder / ANNOTATIONS
    done = set(repair_journal(path, lambda line: _is_finished(line, folder)))
    current: set[str] = set()
    with Journal(path) as journal:
        for name in names:
            annotator = find(name)
            try:
                _annotate(annotator, folder, journal, (done, current), progress)
            finally:
                annotator.close()
    if done - current:
        _put_current_last(path, current)


def _annotate(
    annotator: Annotator,
    folder: Path,
    journal: Journal,
    ids: tuple[set[str], set[str]],
    progress: Progress,
) -> None:
    judge = digest(annotator.identity())
    done, current = ids
    progress.start(f"annotate {annotator.name}", folder.name, None, 0)

    def open_records() -> Iterator[Json]:
        for record in read_journal(folder / SAMPLES):
            if record["status"] == "ok":
                name = annotation_id(annotator.name, judge, record)
                current.add(name)
                if name not in done:
                    yield record

    with VectorWriter(folder, annotator.name) as vectors:
        for records in _windows(open_records(), _WINDOW):
            names = {r["id"]: annotation_id(annotator.name, judge, r) for r in records}
            for annotation in _judged(annotator, records, folder.parent):
                _write(journal, vectors, names[annotation.sample_id], annotator.name, annotation)
                progress.advance(failed=annotation.failure is not None)
    progress.finish()


def _is_finished(line: Json, folder: Path) -> bool:
    """Tell whether a journalled judgement stands; vectors it points to must be whole."""
    if not is_ok(line):
        return False
    value = line["value"]
    return not is_place(value) or has_vectors(folder, line["annotator"], value)


def _judged(annotator: Annotator, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
    """Yield one annotation a record. What the judge raises fails those it left open."""
    waiting = dict.fromkeys(record["id"] for record in records)
    failure = Failure("annotate", "NoAnnotation", f"{annotator.name} did not judge this output")
    try:
        for annotation in annotator.annotate(records, run):
            if annotation.sample_id in waiting:
                del waiting[annotation.sample_id]
                yield annotation
    except MioEvalError:
        raise  # a missing program or a full disk is no sample's fault
    # The boundary of a judge's batch.
    except Exception as error:
        failure = Failure.of("annotate", error)
    for sample_id in waiting:
        yield Annotation(sample_id, failure=failure)


def _write(
    journal: Journal, vectors: VectorWriter, name: str, annotator: str, annotation: Annotation
) -> None:
    line: dict[str, Json] = {
        "id": name,
        "sample": annotation.sample_id,
        "annotator": annotator,
        "status": "ok",
        "value": annotation.value,
        "error": None,
    }
    failure = annotation.failure
    if failure is None:
        try:
            if annotation.vectors is not None:
                line["value"] = vectors.append(annotation.vectors)
            json_line(line)
        except (TypeError, ValueError) as error:  # NaN, an array: not a value of the contract
            failure = Failure.of("annotate", error)
    if failure is not None:
        error_json = {"stage": "annotate", "type": failure.type, "message": failure.message}
        line.update(status="failed", value=None, error=error_json)
    journal.append(line)


def _put_current_last(path: Path, current: set[str]) -> None:
    """Order the file so that judgements of other outputs or judges precede the current ones.

    They are kept, as they may be wanted again; a reader takes a sample's last line.
    """
    lines = list(read_journal(path))
    ordered = sorted(lines, key=lambda line: line["id"] in current)
    if ordered != lines:
        write_atomic(path, map(json_line, ordered))


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

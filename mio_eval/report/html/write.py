"""Writes HTML reports: one file with everything in it, or a folder with the data beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import UsageError
from ...jsonio import write_atomic
from ...types import Json
from ..known import forget
from ..runs import Run, labels
from .facts import Facts, task_facts, task_names
from .inputs import Originals, originals
from .media import MediaStore
from .page import CHART, REPORT_SCRIPTS, asset, data_json, embedded, render, script_of
from .samples import Failures, records

RUN_REPORT = "report.html"
CHUNK = 500  # samples a chunk
RUN_LIMIT = 8 << 20  # bytes of media embedded in a run directory's own report


def write_html(
    runs: Sequence[Run], out: Path, *, data_dir: Path | None = None, inputs: bool = True
) -> Path:
    """Write a report of one or more runs and return its page.

    `out` ending in .html is one file, media embedded up to a size limit; any other is a folder:
    index.html, data in chunks, media copied. Raises UsageError when it cannot be written.
    """
    single = out.suffix.lower() in (".html", ".htm")
    page = out if single else out / "index.html"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        store = MediaStore("embed" if single else "copy", page.parent)
        _write(runs, page, store, single=single, data_dir=data_dir, inputs=inputs)
    except OSError as error:
        raise UsageError(f"cannot write {page}: {error.strerror}; choose another --out") from error
    return page


def write_run_report(path: Path, data: Json) -> Path:
    """Write report.html into a run directory: generated media are linked, not embedded.

    Media of prompts are shown for bundled sample data, which are small and at hand.
    """
    page = path / RUN_REPORT
    store = MediaStore("link", path, limit=RUN_LIMIT)
    sample = all(source["mode"] == "sample" for source in data["data"].values())
    _write([Run(path, data)], page, store, single=True, data_dir=None, inputs=sample)
    return page


def _write(
    runs: Sequence[Run],
    page: Path,
    store: MediaStore,
    *,
    single: bool,
    data_dir: Path | None,
    inputs: bool,
) -> None:
    forget()
    facts = Facts(runs)
    chunks: list[tuple[str, str]] = []
    for number, name in enumerate(task_names(runs)):
        described = task_facts(name, runs)
        for index, run in enumerate(runs):
            if described["runs"][index] is None:
                continue
            found = originals(name, run.data, data_dir) if inputs else {}
            failures = Failures()
            names = []
            for part, samples in enumerate(_chunked(run, name, found, store, failures)):
                chunk = f"t{number}-r{index}-{part:03d}"
                names.append(chunk)
                text = data_json(samples)
                if single:
                    chunks.append((chunk, text))
                else:
                    _write_chunk(page.parent / "data", chunk, text)
            described["runs"][index].update(failures=failures.to_json(), chunks=names)
        facts.tasks.append(described)
    if not single:
        _remove_stale(page.parent / "data", facts.tasks)
    document = facts.to_json() | {"media": store.index, "single": single}
    scripts = [asset(CHART), script_of(REPORT_SCRIPTS)]
    pieces = render(
        "report.html.j2",
        " and ".join(labels(runs)),
        scripts,
        facts=data_json(document),
        chunks=chunks,
        media=embedded(store.embedded),
    )
    write_atomic(page, pieces)


def _chunked(
    run: Run,
    name: str,
    found: dict[str, Originals],
    store: MediaStore,
    failures: Failures,
) -> Iterator[list[Json]]:
    folder = run.path / run.data["tasks"][name]["directory"]
    chunk: list[Json] = []
    for record in records(run.path, folder, found, store, failures):
        chunk.append(record)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _write_chunk(folder: Path, name: str, text: str) -> None:
    """Write a chunk as a script: pages opened from a file may load no JSON."""
    folder.mkdir(exist_ok=True)
    write_atomic(folder / f"{name}.js", [f'mioChunk("{name}", '.encode(), text.encode(), b");\n"])


def _remove_stale(folder: Path, tasks: list[Json]) -> None:
    """Remove chunks that an earlier report left in the folder."""
    wanted = {
        f"{name}.js" for task in tasks for run in task["runs"] if run for name in run["chunks"]
    }
    for path in folder.glob("t*-r*-*.js"):
        if path.name not in wanted:
            path.unlink()

"""What the readers make of a folder, in one call each; and edits of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mio_eval.data import check_source, open_source
from mio_eval.tasks import get_task
from mio_eval.types import Media, Sample


def read(task: str, root: Path) -> list[Sample]:
    return list(open_source(get_task(task), "local", root))


def problems(task: str, root: Path) -> list[str]:
    return list(check_source(open_source(get_task(task), "local", root)))


def media_of(sample: Sample) -> list[Media]:
    parts = [*sample.inputs.values(), *sample.targets.values()]
    return [part for part in parts if isinstance(part, Media)]


def edit_first(path: Path, change: Callable[[Any], None]) -> None:
    """Change the first row of a JSON or JSON Lines file."""
    if path.suffix == ".jsonl":
        first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
        row = json.loads(first)
        change(row)
        path.write_text(json.dumps(row) + "\n" + "".join(rest), encoding="utf-8")
        return
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = data if isinstance(data, list) else data.get("questions") or data["images"]
    change(rows[0])
    path.write_text(json.dumps(data))

"""Finds the media that a run's prompts and references name: the run directory has only hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...data.sources import has_local, open_source
from ...errors import MioEvalError
from ...tasks import get_task
from ...types import Json, Media


@dataclass(frozen=True, slots=True)
class Originals:
    """The media of one sample: those of its inputs by modality and name, and its targets."""

    inputs: Mapping[tuple[str, str], Media] = field(default_factory=dict)
    targets: Mapping[str, Media] = field(default_factory=dict)


def originals(name: str, data: Json, data_dir: Path | None) -> dict[str, Originals]:
    """Return sample id → its media, as far as the task's data are at hand; never from a network."""
    mode = data["data"][name]["mode"]
    try:
        task = get_task(name)
        if mode == "sample":
            source = open_source(task, "sample")
        else:
            given = data["options"].get("data_dir")
            folder = data_dir or (Path(given) if given else None)
            if (mode == "hub" and data_dir is None) or not has_local(task, folder):
                return {}
            source = open_source(task, "local", folder)
        if not {*task.file.inputs, task.file.output} - {"text"}:
            return {}
        found = {}
        for sample in source:
            inputs = {
                (part.modality, part.name): part
                for part in sample.inputs.values()
                if isinstance(part, Media)
            }
            targets = {n: p for n, p in sample.targets.items() if isinstance(p, Media)}
            if inputs or targets:
                found[sample.id] = Originals(inputs, targets)
        return found
    except (MioEvalError, OSError, ValueError):
        return {}  # the data moved or changed: names and hashes are shown instead

"""Builds requests from samples, and the keys that name their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..jsonio import canonical, digest
from ..tasks import Task, render
from ..types import Json, Media, Part, Request, Sample, Text
from .likelihood import request_settings


def part_json(part: Part) -> Json:
    """Describe a part: its text, or a medium's name and content hash."""
    if isinstance(part, Text):
        return {"text": part.text}
    return {part.modality: part.name, "sha256": part.sha256 if part.exists else None}


def content_json(part: Part) -> Json:
    """Describe a part by content alone (a medium's name does not matter to a model)."""
    if isinstance(part, Text):
        return {"text": part.text}
    # Models that read no media may lack them.
    return {part.modality: part.sha256 if part.exists else None}


def sample_content(sample: Sample) -> str:
    """Hash what a sample is: its inputs' contents and its references, whatever the prompt."""
    inputs = {name: content_json(part) for name, part in sample.inputs.items()}
    content: dict[str, Json] = {"inputs": inputs, "references": list(sample.references)}
    if sample.targets:
        content["targets"] = {n: content_json(part) for n, part in sample.targets.items()}
    return digest(content)


def check_media(sample: Sample) -> None:
    """Read every medium of a sample once, so that a missing file fails here. Raises OSError."""
    for part in (*sample.inputs.values(), *sample.targets.values()):
        if isinstance(part, Media):
            _ = part.sha256


def build_request(
    task: Task,
    sample: Sample,
    *,
    style: str,
    separator: str,
    settings: Mapping[str, Json],
    seed: int,
    model_key: str,
    by_sample: bool = False,
) -> Request:
    """Render the prompt of a sample and name the request by content.

    `by_sample` puts the sample's id into the key: for models that answer by id, not by content.
    Raises OSError when a medium cannot be read, KeyError when an input is missing.
    """
    parts = render(task.prompt(style), sample, separator)
    settings = request_settings(settings, sample)
    content = {
        "model": model_key,
        "parts": [content_json(part) for part in parts],
        "want": task.file.output,
        "settings": dict(settings),
        "seed": seed,
        "repeat": 0,
    }
    if by_sample:
        content["sample"] = sample.id
    key = hashlib.sha256(canonical(content)).hexdigest()
    return Request(sample.id, parts, task.file.output, settings, seed, key)

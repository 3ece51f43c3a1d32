"""Turns a prompt template and a sample into the parts of a request."""

from __future__ import annotations

import string
from collections.abc import Collection
from dataclasses import replace

from ..types import MEDIA_TYPES, Part, Sample, Text
from .registry import Task
from .schema import SEPARATOR

POSITIONS = ("as-written", "first", "last")
"""Where media stand in a prompt: as the template has them, or moved before or after all text."""
_JOIN = f"{{{SEPARATOR}}}"


def render(template: str, sample: Sample, separator: str = "\n") -> tuple[Part, ...]:
    """Fill a template with a sample's inputs; neighbouring text becomes one part.

    Raises KeyError with the missing name when the sample lacks an input the template uses.
    """
    parts: list[Part] = []
    text = ""
    for literal, name, _, _ in string.Formatter().parse(template):
        text += literal
        if name is None:
            continue
        if name == SEPARATOR:
            text += separator
            continue
        part = sample.inputs[name]
        if isinstance(part, Text):
            text += part.text
            continue
        if text:
            parts.append(Text(text))
            text = ""
        parts.append(part)
    if text:
        parts.append(Text(text))
    return tuple(parts)


def move_media(task: Task, position: str) -> Task:
    """Return the task with the media of every prompt moved; its file's hash stays."""
    if position == POSITIONS[0]:
        return task
    prompts = {
        style: place_media(template, MEDIA_TYPES, position)
        for style, template in task.file.prompts.items()
    }
    return replace(task, file=task.file.model_copy(update={"prompts": prompts}))


def place_media(template: str, media: Collection[str], position: str) -> str:
    """Move the media fields of a template to its beginning (`first`) or end (`last`).

    They keep their order, with separators between them and the text. What joined them to the text
    before (white space, separators) goes with them, so that the text begins and ends cleanly.
    """
    moved: list[str] = []
    body = ""
    for literal, name, _, _ in string.Formatter().parse(template):
        body += literal.replace("{", "{{").replace("}", "}}")
        if name in media:
            moved.append(f"{{{name}}}")
            body = _without_join(body)
            body += "" if not body else _JOIN
        elif name is not None:
            body = body.lstrip() if body.isspace() else body
            body += (
                "" if name == SEPARATOR and (not body or body.endswith(_JOIN)) else f"{{{name}}}"
            )
    body = _without_join(body).lstrip()
    if not moved:
        return template
    order = [*moved, body] if position == "first" else [body, *moved]
    return _JOIN.join(filter(None, order))


def _without_join(text: str) -> str:
    """Remove white space and separators from the end of a text."""
    before = None
    while before != text:
        before = text
        text = text.rstrip().removesuffix(_JOIN)
    return text

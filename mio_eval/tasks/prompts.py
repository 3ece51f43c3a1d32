"""Turns a prompt template and a sample into the parts of a request."""

from __future__ import annotations

import string

from ..types import Part, Sample, Text
from .schema import SEPARATOR


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

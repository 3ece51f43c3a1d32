"""What tests of prompts need in place of media and of what makes tokens of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mio_eval.types import Audio, Image, Part, Text, Video

MEDIA = {"IMAGE": Image, "SPEECH": Audio, "FRAMES": Video}


class Tokenizers:
    """Stands for the media tokenizers: every image and every sound has the same codes."""

    def image_codes(self, images: Sequence[Any]) -> list[list[int]]:
        return [list(range(32)) for _ in images]

    def speech_codes(self, wave: Any) -> list[list[int]]:
        return [[7, 9], [1, 1], [2, 2]]


def parts_of(inputs: Mapping[str, str]) -> dict[str, Part]:
    """Make a sample's parts: empty media where the text names one, else text."""
    return {
        name: MEDIA[value](load=lambda: b"", name="x") if value in MEDIA else Text(value)
        for name, value in inputs.items()
    }

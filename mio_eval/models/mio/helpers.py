"""What the backends of released any-to-any systems share: arguments, devices, pictures, names."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...types import Image


def number(
    model: str, given: Mapping[str, str], name: str, default: str, kind: Callable[[str], float]
) -> float:
    """Read a number among a model's arguments. Raises UsageError."""
    text = given.get(name, default)
    try:
        return kind(text)
    except ValueError as error:
        raise UsageError(f"model {model}: {name}={text}: expected a number") from error


def default_device() -> str:
    """Return cuda where there is one, else cpu."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def png(image: Any) -> Image:
    """Encode a Pillow image as PNG."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    data = stream.getvalue()
    return Image(load=lambda: data, name="image.png")


def short_name(pretrained: str) -> str:
    """Return a folder's own name, or a hub id as it is."""
    path = Path(pretrained).expanduser()
    return path.resolve().name if path.is_dir() else pretrained

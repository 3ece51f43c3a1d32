"""How much memory MIO takes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..hf.family import LoadOptions
from ..token_llm.memory import BYTES, PARTS, gigabytes, weight_bytes

# Parameters of the release, in billions, counted from its config.
SIZES: Mapping[str, float] = {"language model": 6.16, **PARTS}


def table() -> list[tuple[str, float, float]]:
    """Return (part, gigabytes in float16, gigabytes in float32) of the release."""
    return gigabytes(SIZES)


def language_bytes(folder: Path, options: LoadOptions) -> float:
    """Return the bytes of the language model, whose files are taken to be float32, as released."""
    return weight_bytes(folder, deep=False) / 4 * BYTES.get(options.dtype, 4)

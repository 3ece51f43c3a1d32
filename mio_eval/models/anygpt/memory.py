"""How much memory AnyGPT takes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..hf.family import Checkpoint, LoadOptions
from ..hf.loading import resolve_dtype
from ..token_llm.memory import BYTES, PARTS, gigabytes, weight_bytes

# Parameters in billions. LLaMA-2 7B with 17,420 tokens added; SoundStorm counted from its build.
SIZES: Mapping[str, float] = {"language model": 6.88, **PARTS, "SoundStorm": 0.35}


def table() -> list[tuple[str, float, float]]:
    """Return (part, gigabytes in float16, gigabytes in float32) of the release."""
    return gigabytes(SIZES)


def language_bytes(folder: Path, checkpoint: Checkpoint, options: LoadOptions) -> float:
    """Return the bytes of the language model, whose files are taken to be in its config's dtype."""
    stored = BYTES.get(resolve_dtype(LoadOptions(), checkpoint), 4)
    wanted = BYTES.get(resolve_dtype(options, checkpoint), stored)
    return weight_bytes(folder, deep=False) / stored * wanted

"""How much memory AnyGPT takes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...types import Modality
from ..hf.family import Checkpoint, LoadOptions
from ..hf.loading import resolve_dtype
from ..mio.memory import BYTES, refuse_too_large, weight_bytes
from .parts import AnyGptParts

# Parameters in billions. LLaMA-2 7B with 17,420 tokens added; SoundStorm counted from its build.
SIZES: Mapping[str, float] = {
    "language model": 6.88,
    "image tokenizer": 1.15,
    "unCLIP": 1.93,
    "speech tokenizer": 0.12,
    "SoundStorm": 0.35,
}


def table() -> list[tuple[str, float, float]]:
    """Return (part, gigabytes in float16, gigabytes in float32) of the release."""
    return [(name, 2 * size, 4 * size) for name, size in SIZES.items()]


def check_memory(
    checkpoint: Checkpoint,
    options: LoadOptions,
    parts: AnyGptParts,
    inputs: Sequence[Modality],
    output: Modality,
) -> None:
    """Refuse to load what does not fit. Raises UsageError with the sizes.

    The language model's files are taken to be in its config's dtype, the others in float32. A model
    spread by device_map is not checked.
    """
    if options.device_map:
        return
    where = parts.placement
    stored = BYTES.get(resolve_dtype(LoadOptions(), checkpoint), 4)
    wanted = BYTES.get(resolve_dtype(options, checkpoint), stored)
    size = weight_bytes(Path(checkpoint.pretrained).expanduser(), deep=False)
    need = {"language model": size / stored * wanted}
    if "image" in inputs or output == "image":
        size = weight_bytes(where.images, deep=True)
        need["image tokenizer"] = size / 4 * BYTES[where.image_dtype]
    if output == "image":
        size = weight_bytes(where.painter, deep=True)
        need["unCLIP"] = size / 4 * BYTES[where.painter_dtype]
    if "audio" in inputs or output == "audio":
        need["speech tokenizer"] = float(weight_bytes(where.speech, deep=True))
    if output == "audio" and parts.storm.path.is_file():
        need["SoundStorm"] = float(parts.storm.path.stat().st_size)
    refuse_too_large("anygpt", need, where.device)

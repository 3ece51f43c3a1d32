"""How much memory MIO takes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import UsageError
from ...types import Modality
from ..hf.family import LoadOptions
from .parts import Placement

# Parameters of the release, in billions: counted from its configs, unCLIP's from its components.
SIZES: Mapping[str, float] = {
    "language model": 6.16,
    "image tokenizer": 1.15,
    "unCLIP": 1.93,
    "speech tokenizer": 0.12,
}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "auto": 4}
_WEIGHTS = (".bin", ".safetensors", ".pt", ".pth", ".dev")
_SPARE = 1.1  # activations and the cache of a short batch


def table() -> list[tuple[str, float, float]]:
    """Return (part, gigabytes in float16, gigabytes in float32) of the release."""
    return [(name, 2 * size, 4 * size) for name, size in SIZES.items()]


def check_memory(
    folder: Path,
    options: LoadOptions,
    placement: Placement,
    inputs: Sequence[Modality],
    output: Modality,
) -> None:
    """Refuse to load what does not fit. Raises UsageError with the sizes.

    Weight files are taken to be float32, as released. A model spread by device_map is not checked.
    """
    if options.device_map:
        return
    need = {"language model": weight_bytes(folder, deep=False) / 4 * BYTES.get(options.dtype, 4)}
    if {"image", "video"} & set(inputs) or output == "image":
        size = weight_bytes(placement.images, deep=True)
        need["image tokenizer"] = size / 4 * BYTES[placement.image_dtype]
    if output == "image":
        size = weight_bytes(placement.painter, deep=True)
        need["unCLIP"] = size / 4 * BYTES[placement.painter_dtype]
    if "audio" in inputs or output == "audio":
        need["speech tokenizer"] = float(weight_bytes(placement.speech, deep=True))
    refuse_too_large("mio", need, placement.device)


def refuse_too_large(model: str, need: Mapping[str, float], device: str) -> None:
    """Raise UsageError where parts of these sizes in bytes do not fit onto a device."""
    free = free_memory(device)
    total = sum(need.values()) * _SPARE
    if free is not None and total > free:
        parts = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in need.items())
        raise UsageError(
            f"model {model} needs about {total / 1e9:.0f} GB on {device} ({parts}), and "
            f"{free / 1e9:.0f} GB are free; use dtype=float16, image_dtype=float16, "
            "painter_dtype=float16, media_device=…, or device_map=auto"
        )


def free_memory(device: str) -> float | None:
    """Return the free bytes of a device, or None where that is not known."""
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            return None
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    if device != "cpu":
        return None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return float(found[0]) * 1024 if found else None


def weight_bytes(folder: Path, *, deep: bool) -> int:
    """Return the bytes of a folder's weight files, with `deep` those of its folders too."""
    paths = folder.rglob("*") if deep else folder.glob("*")
    return sum(p.stat().st_size for p in paths if p.suffix in _WEIGHTS and p.is_file())

"""How much memory a released system takes, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...errors import UsageError

# Parameters in billions, of the parts that all releases have; unCLIP's counted from its components.
PARTS: Mapping[str, float] = {
    "image tokenizer": 1.15,
    "unCLIP": 1.93,
    "speech tokenizer": 0.12,
}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "auto": 4}
_WEIGHTS = (".bin", ".safetensors", ".pt", ".pth", ".dev")
_SPARE = 1.1  # activations and the cache of a short batch


def gigabytes(sizes: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return (part, gigabytes in float16, gigabytes in float32) of sizes in billions."""
    return [(name, 2 * size, 4 * size) for name, size in sizes.items()]


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

"""What every judge of sound asks of its input: 16 kHz, mono, float32, finite, not empty."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Wave: TypeAlias = NDArray[np.float32]

RATE = 16_000  # samples per second


def check_wave(wave: Wave, what: str = "the sound") -> None:
    """Refuse an array that is not a mono sound.

    Args:
        wave: expected (n,) float32, n > 0, finite.
        what: how to call it in the message.

    Raises:
        ValueError: it is something else.
    """
    if wave.ndim != 1:
        raise ValueError(f"{what}: expected mono samples (n,), got shape {wave.shape}")
    if wave.dtype != np.float32:
        raise ValueError(f"{what}: expected float32 samples, got {wave.dtype}")
    if wave.size == 0:
        raise ValueError(f"{what}: no samples")
    if not np.isfinite(wave).all():
        raise ValueError(f"{what}: samples that are not finite (nan or infinity)")


def shortest(config: Any, frames: int = 1) -> int:
    """Return the fewest samples from which a wav2vec 2.0 front end makes so many frames.

    Args:
        config: a transformers configuration with `conv_kernel` and `conv_stride`; one without
            them (a model that reads spectrograms) gives 25 ms and 20 ms a frame.
        frames: that the layers after the front end need.
    """
    kernels = getattr(config, "conv_kernel", None)
    if not kernels:
        return 400 + 320 * (frames - 1)
    length = frames
    for kernel, stride in zip(reversed(kernels), reversed(config.conv_stride), strict=True):
        length = (length - 1) * stride + kernel
    return int(length)


def check_length(wave: Wave, least: int, identity: str) -> None:
    """Refuse a sound that is too short for the model. Raises ValueError."""
    if wave.size < least:
        raise ValueError(
            f"too short for {identity}: {wave.size} samples, expected {least} or more "
            f"({least / RATE:.3f} s)"
        )

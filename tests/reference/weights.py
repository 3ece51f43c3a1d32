"""Weights that any program can make again from their names and shapes alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch


def make_weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Fill tensors with numbers that depend on their name alone, of a size that keeps signals sane.

    Matrices are scaled by their inputs, norms are near one, biases near zero.
    """
    return {name: make_weight(name, tuple(shape)) for name, shape in shapes.items()}


def make_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Make one tensor, float32."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    numbers = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    if name.endswith(("weight_g", "alpha")):  # one gain a channel
        return torch.from_numpy(1 + 0.1 * numbers)
    if "norm" in name.lower() or name.startswith("ln_vision"):
        return torch.from_numpy(float(name.endswith("weight")) + 0.1 * numbers)
    if len(shape) <= 1:
        return torch.from_numpy(0.1 * numbers)
    if name.endswith(("embed", "embedding.weight", "tokens", "token", "pos_embed", "embed_image")):
        return torch.from_numpy(0.5 * numbers)
    return torch.from_numpy(numbers / np.float32(math.sqrt(np.prod(shape[1:]))))

"""A face generator: a DCGAN of 64 x 64 pixels that ignores the words it is given.

The network is DCGAN's generator (Radford et al., 2015, https://arxiv.org/abs/1511.06434) in the
sizes of PyTorch's tutorial: five transposed convolutions of 4 x 4 without bias, batch norm and
ReLU between them, tanh after the last. Its weights, trained on the synthetic faces of DigiFace-1M,
are those that gan-face-generate 1.1.1 carries; nothing of the package is imported.

It is unconditional: the text chooses the face, as a seed, and nothing else. It shows what an image
metric gives to real generated pictures that have nothing to do with the prompt.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mio_eval.errors import UsageError, first_line
from mio_eval.models.starter.efficientnet import _torch_threads

Tensor: TypeAlias = torch.Tensor

LATENT = 100  # numbers that a face is made of
WIDTHS = (512, 256, 128, 64)  # channels at 4, 8, 16 and 32 pixels
SIZE = 64  # pixels, of the square picture
WEIGHTS = "weights.tar"  # a file that torch wrote, whatever its name says
STATE, PREFIX = "netG_state_dict", "main."


def network() -> Any:
    """Return the generator with fresh weights: latents (n, 100, 1, 1) to pixels (n, 3, 64, 64)."""
    layers: list[Any] = []
    width = LATENT
    for index, out in enumerate(WIDTHS):
        stride, padding = (1, 0) if index == 0 else (2, 1)
        layers += [
            nn.ConvTranspose2d(width, out, 4, stride, padding, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        ]
        width = out
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def latent(text: str, seed: int) -> NDArray[np.float32]:
    """Return the latent (100,) of a text: normal numbers, seeded by sha256 of the text and a seed.

    NumPy's RandomState is frozen, so every version gives the same numbers.
    """
    digest = hashlib.sha256(f"{seed}\0{text}".encode()).digest()
    state = np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))
    return state.standard_normal(LATENT).astype(np.float32)


class FaceGenerator:
    """Faces out of texts, on the CPU: the same text and seed give the same face.

    Between kinds of CPU a pixel may differ by 1 of 255, as sums are rounded in another order.

    Args:
        weights: `weights.tar` of the packaged asset `face-gan`; read with `weights_only`, so it
            cannot run code.
        threads: torch threads while it runs.

    Raises:
        UsageError: the file cannot be read, or it holds another model.
        ValueError: fewer than one thread.
    """

    def __init__(self, weights: Path, *, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        self._threads = threads
        self._network = network()
        try:
            checkpoint: Any = torch.load(weights, map_location="cpu", weights_only=True)
            self._network.load_state_dict(_state(checkpoint))
        except Exception as error:  # a damaged file raises errors of many kinds
            raise UsageError(
                f"cannot load the face generator from {weights}: {first_line(error)}"
            ) from error
        self._network.eval()

    def generate(self, text: str, seed: int = 0) -> Image.Image:
        """Return the face of a text: RGB, 64 x 64."""
        noise = torch.from_numpy(latent(text, seed)).reshape(1, LATENT, 1, 1)
        with torch.inference_mode(), _torch_threads(self._threads):
            pixels = self._network(noise)[0]
        levels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())

    def png(self, text: str, seed: int = 0) -> bytes:
        """Return the face of a text as the bytes of a PNG file."""
        stream = io.BytesIO()
        self.generate(text, seed).save(stream, format="PNG")
        return stream.getvalue()


def _state(checkpoint: Any) -> dict[str, Tensor]:
    """Take the generator's tensors out of what the file holds."""
    if not isinstance(checkpoint, Mapping) or not isinstance(checkpoint.get(STATE), Mapping):
        raise ValueError(f"it does not hold {STATE}")
    return {name.removeprefix(PREFIX): tensor for name, tensor in checkpoint[STATE].items()}

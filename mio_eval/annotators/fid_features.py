"""Features of images for Fréchet and kernel distances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .checkpoints import digest, exact_inference, read_weights
from .clip_models import INSTALL, ClipEncoder, best_device
from .loading import CONNECT, FETCH_AGAIN, Use, loading

if TYPE_CHECKING:
    import PIL.Image

Features = npt.NDArray[np.float32]
Tensor = Any  # torch is imported when a network loads

_WEIGHTS = "pt_inception-2015-12-05"
USE = Use(
    "the judge inception (it gives FID's features)",
    f"a local file of pytorch-fid's {_WEIGHTS} weights: --judge inception=FILE",
    INSTALL,
)


def find_weights(name: str) -> Path:
    """Find the weights of Inception: a local file, or `hf/OWNER/NAME/FILE[@REVISION]` on the hub.

    Raises UsageError when there is no such file, or the hub cannot be reached.
    """
    if not name.startswith("hf/") or Path(name).is_file():
        return Path(name).expanduser()
    where, _, revision = name.removeprefix("hf/").partition("@")
    owner, _, rest = where.partition("/")
    repository, _, file = rest.partition("/")
    if not file:
        raise UsageError(f"{USE.role}: {name!r}: expected FILE or hf/OWNER/NAME/FILE[@REVISION]")
    with loading(USE, name, CONNECT):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(f"{owner}/{repository}", file, revision=revision or None))


class FeatureExtractor(Protocol):
    """Turns images into features. `identity` is part of the distance's signature."""

    @property
    def identity(self) -> str:
        """Name network, weights and preprocessing: lower case, no spaces."""

    def features(self, images: Sequence[PIL.Image.Image]) -> Features:
        """Return float32 (n, d)."""


class ClipFeatures:
    """L2-normalised CLIP image embeddings as features. A distance in this space is not FID."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder

    @property
    def identity(self) -> str:
        return f"{self._encoder.identity}+{self._encoder.crop}+l2"

    def features(self, images: Sequence[PIL.Image.Image]) -> Features:
        return self._encoder.images(images)


class InceptionFeatures:
    """FID's own network (`mio_eval.annotators.inception`), from a local weights file.

    Images are scaled to 0-1, resized to 299 x 299 as tensors (bilinear, no antialiasing) and
    mapped to -1 to 1.

    Args:
        weights: the file `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid.
        device: torch's name; by default `cuda` where there is one, else `cpu`.
        batch: images in one forward pass.

    Raises:
        UsageError: torch is missing, or the file does not hold exactly that network's weights.
    """

    def __init__(self, weights: Path, device: str | None = None, batch: int = 50) -> None:
        with loading(USE, str(weights)):
            import torch

            from .inception import Inception

        if batch < 1:
            raise ValueError(f"batch must be 1 or more, got {batch}")
        if not weights.is_file():
            raise UsageError(f"{USE.role}: no file {weights}; use {USE.alternative}")
        self._device = device or best_device(torch)
        with loading(USE, str(weights), FETCH_AGAIN):
            self._network = Inception(read_weights(weights), self._device)
        self._batch = batch
        self.identity = f"{_WEIGHTS}@sha256-{digest([weights])}+tensor-bilinear"

    def features(self, images: Sequence[PIL.Image.Image]) -> Features:
        """Return float32 (n, 2048)."""
        import torch

        parts = [np.empty((0, 2048), dtype=np.float32)]
        with exact_inference():
            for start in range(0, len(images), self._batch):
                part = [self._input(image) for image in images[start : start + self._batch]]
                parts.append(self._network(torch.cat(part)).cpu().numpy())
        return np.concatenate(parts)

    def _input(self, image: PIL.Image.Image) -> Tensor:
        import torch
        from torch.nn.functional import interpolate

        from .inception import SIDE

        pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
        tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).to(self._device)
        return 2 * interpolate(tensor, size=(SIDE, SIDE), mode="bilinear", align_corners=False) - 1

"""Features of images for Fréchet and kernel distances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..compat import import_torchvision
from ..errors import UsageError, first_line
from .checkpoints import digest, exact_inference
from .clip_models import ClipEncoder, best_device

if TYPE_CHECKING:
    import PIL.Image

Features = npt.NDArray[np.float32]
Tensor = Any  # torch is imported when a network loads

_INCEPTION_SIDE = 299  # pixels
_INCEPTION_CLASSES = 1008
_WEIGHTS = "pt_inception-2015-12-05"


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
    """FID's own network: 2,048 features after the last pooling, from a local weights file.

    The network of Szegedy et al. (2016) as torchvision builds it, with what the weights of
    2015-12-05 (TensorFlow's, converted by pytorch-fid) need: 1,008 classes; average pooling that
    leaves the padding out of the average; maximum pooling in the last block. Images are scaled to
    0-1, resized to 299 x 299 as tensors (bilinear, no antialiasing) and mapped to -1 to 1.

    Args:
        weights: the file `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid.
        device: torch's name; by default `cuda` where there is one, else `cpu`.
        batch: images in one forward pass.

    Raises:
        UsageError: torch or torchvision is missing, or the file is not that network's.
    """

    def __init__(self, weights: Path, device: str | None = None, batch: int = 50) -> None:
        try:
            import torch

            if import_torchvision() is None:
                raise ImportError("No module named 'torchvision'")
            from torchvision.models.inception import Inception3
        except ImportError as error:
            hint = "pip install 'mio-eval[clip]'"
            raise UsageError(f"fid needs torch and torchvision ({error}): {hint}") from error
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, got {batch}")
        if not weights.is_file():
            raise UsageError(f"fid: no file {weights}; it must be pytorch-fid's {_WEIGHTS} weights")
        network = Inception3(num_classes=_INCEPTION_CLASSES, aux_logits=False, init_weights=False)
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        # A file of anything else fails with almost any type of error.
        except Exception as error:
            message = f"fid: {weights} does not hold pytorch-fid's {_WEIGHTS} weights"
            raise UsageError(f"{message} ({first_line(error)[:200]})") from error
        self._device = device or best_device(torch)
        self._network: Any = network.eval().to(self._device)
        self._batch = batch
        self.identity = f"{_WEIGHTS}@sha256-{digest([weights])}+tensor-bilinear"

    def features(self, images: Sequence[PIL.Image.Image]) -> Features:
        """Return float32 (n, 2048)."""
        import torch

        parts = [np.empty((0, 2048), dtype=np.float32)]
        with exact_inference():
            for start in range(0, len(images), self._batch):
                part = [self._input(image) for image in images[start : start + self._batch]]
                parts.append(inception_pool(self._network, torch.cat(part)).cpu().numpy())
        return np.concatenate(parts)

    def _input(self, image: PIL.Image.Image) -> Tensor:
        import torch
        from torch.nn.functional import interpolate

        pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
        tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).to(self._device)
        side = (_INCEPTION_SIDE, _INCEPTION_SIDE)
        return 2 * interpolate(tensor, size=side, mode="bilinear", align_corners=False) - 1


def inception_pool(net: Any, x: Tensor) -> Tensor:
    """Run (n, 3, 299, 299) in -1 to 1 through torchvision's Inception3 as FID does: (n, 2048)."""
    from torch.nn.functional import avg_pool2d, max_pool2d

    def average(y: Tensor) -> Tensor:
        return avg_pool2d(y, 3, stride=1, padding=1, count_include_pad=False)

    def maximum(y: Tensor) -> Tensor:
        return max_pool2d(y, 3, stride=1, padding=1)

    x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
    x = max_pool2d(x, 3, stride=2)
    x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(x))
    x = max_pool2d(x, 3, stride=2)
    for block in (net.Mixed_5b, net.Mixed_5c, net.Mixed_5d):
        x = _block_35(block, x, average(x))
    x = net.Mixed_6a(x)
    for block in (net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e):
        x = _block_17(block, x, average(x))
    x = net.Mixed_7a(x)
    x = _block_8(net.Mixed_7b, x, average(x))
    x = _block_8(net.Mixed_7c, x, maximum(x))
    return x.mean(dim=(2, 3))


def _block_35(m: Any, x: Tensor, pooled: Tensor) -> Tensor:
    return _join(
        m.branch1x1(x),
        m.branch5x5_2(m.branch5x5_1(x)),
        m.branch3x3dbl_3(m.branch3x3dbl_2(m.branch3x3dbl_1(x))),
        m.branch_pool(pooled),
    )


def _block_17(m: Any, x: Tensor, pooled: Tensor) -> Tensor:
    double = m.branch7x7dbl_3(m.branch7x7dbl_2(m.branch7x7dbl_1(x)))
    return _join(
        m.branch1x1(x),
        m.branch7x7_3(m.branch7x7_2(m.branch7x7_1(x))),
        m.branch7x7dbl_5(m.branch7x7dbl_4(double)),
        m.branch_pool(pooled),
    )


def _block_8(m: Any, x: Tensor, pooled: Tensor) -> Tensor:
    single = m.branch3x3_1(x)
    double = m.branch3x3dbl_2(m.branch3x3dbl_1(x))
    return _join(
        m.branch1x1(x),
        m.branch3x3_2a(single),
        m.branch3x3_2b(single),
        m.branch3x3dbl_3a(double),
        m.branch3x3dbl_3b(double),
        m.branch_pool(pooled),
    )


def _join(*branches: Tensor) -> Tensor:
    import torch

    return torch.cat(branches, 1)

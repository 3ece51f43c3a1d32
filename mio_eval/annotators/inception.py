"""Inception V3 as FID uses it, in plain torch: 2,048 features after the last pooling.

The network of Szegedy et al. (2016) with the names of torchvision's `Inception3`, which the weights
of 2015-12-05 (TensorFlow's, converted for pytorch-fid) bear. Three things are FID's own: 1,008
classes, average pooling that leaves the padding out of the average, and maximum pooling in the last
block's pooling branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch.nn import functional

Tensor: TypeAlias = torch.Tensor
Size: TypeAlias = int | tuple[int, int]

CLASSES = 1008
FEATURES = 2048
SIDE = 299  # pixels of the square input
_EPSILON = 1e-3
_NORM = ("weight", "bias", "running_mean", "running_var")


class _Convolution:
    """A convolution without bias, its batch norm, and ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Size, stride: int = 1, pad: Size = 0
    ) -> None:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.shape = (outputs, inputs, height, width)
        self.stride, self.pad = stride, pad


def _row(inputs: int, outputs: int, size: int = 7) -> _Convolution:
    return _Convolution(inputs, outputs, (1, size), pad=(0, size // 2))


def _column(inputs: int, outputs: int, size: int = 7) -> _Convolution:
    return _Convolution(inputs, outputs, (size, 1), pad=(size // 2, 0))


def _block_35(inputs: int, pooled: int) -> dict[str, _Convolution]:
    return {
        "branch1x1": _Convolution(inputs, 64, 1),
        "branch5x5_1": _Convolution(inputs, 48, 1),
        "branch5x5_2": _Convolution(48, 64, 5, pad=2),
        "branch3x3dbl_1": _Convolution(inputs, 64, 1),
        "branch3x3dbl_2": _Convolution(64, 96, 3, pad=1),
        "branch3x3dbl_3": _Convolution(96, 96, 3, pad=1),
        "branch_pool": _Convolution(inputs, pooled, 1),
    }


def _block_17(middle: int) -> dict[str, _Convolution]:
    return {
        "branch1x1": _Convolution(768, 192, 1),
        "branch7x7_1": _Convolution(768, middle, 1),
        "branch7x7_2": _row(middle, middle),
        "branch7x7_3": _column(middle, 192),
        "branch7x7dbl_1": _Convolution(768, middle, 1),
        "branch7x7dbl_2": _column(middle, middle),
        "branch7x7dbl_3": _row(middle, middle),
        "branch7x7dbl_4": _column(middle, middle),
        "branch7x7dbl_5": _row(middle, 192),
        "branch_pool": _Convolution(768, 192, 1),
    }


def _block_8(inputs: int) -> dict[str, _Convolution]:
    return {
        "branch1x1": _Convolution(inputs, 320, 1),
        "branch3x3_1": _Convolution(inputs, 384, 1),
        "branch3x3_2a": _row(384, 384, 3),
        "branch3x3_2b": _column(384, 384, 3),
        "branch3x3dbl_1": _Convolution(inputs, 448, 1),
        "branch3x3dbl_2": _Convolution(448, 384, 3, pad=1),
        "branch3x3dbl_3a": _row(384, 384, 3),
        "branch3x3dbl_3b": _column(384, 384, 3),
        "branch_pool": _Convolution(inputs, 192, 1),
    }


_STEM = {
    "Conv2d_1a_3x3": _Convolution(3, 32, 3, stride=2),
    "Conv2d_2a_3x3": _Convolution(32, 32, 3),
    "Conv2d_2b_3x3": _Convolution(32, 64, 3, pad=1),
    "Conv2d_3b_1x1": _Convolution(64, 80, 1),
    "Conv2d_4a_3x3": _Convolution(80, 192, 3),
}
_BLOCKS_35 = {"Mixed_5b": (192, 32), "Mixed_5c": (256, 64), "Mixed_5d": (288, 64)}
_BLOCKS_17 = {"Mixed_6b": 128, "Mixed_6c": 160, "Mixed_6d": 160, "Mixed_6e": 192}
_BLOCKS_8 = {"Mixed_7b": 1280, "Mixed_7c": 2048}
_BLOCKS: dict[str, dict[str, _Convolution]] = {
    **{name: _block_35(*sizes) for name, sizes in _BLOCKS_35.items()},
    "Mixed_6a": {
        "branch3x3": _Convolution(288, 384, 3, stride=2),
        "branch3x3dbl_1": _Convolution(288, 64, 1),
        "branch3x3dbl_2": _Convolution(64, 96, 3, pad=1),
        "branch3x3dbl_3": _Convolution(96, 96, 3, stride=2),
    },
    **{name: _block_17(middle) for name, middle in _BLOCKS_17.items()},
    "Mixed_7a": {
        "branch3x3_1": _Convolution(768, 192, 1),
        "branch3x3_2": _Convolution(192, 320, 3, stride=2),
        "branch7x7x3_1": _Convolution(768, 192, 1),
        "branch7x7x3_2": _row(192, 192),
        "branch7x7x3_3": _column(192, 192),
        "branch7x7x3_4": _Convolution(192, 192, 3, stride=2),
    },
    **{name: _block_8(inputs) for name, inputs in _BLOCKS_8.items()},
}
_CONVOLUTIONS = {
    **_STEM,
    **{f"{block}.{name}": c for block, parts in _BLOCKS.items() for name, c in parts.items()},
}


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that the weights must hold."""
    shapes: dict[str, tuple[int, ...]] = {
        "fc.weight": (CLASSES, FEATURES),
        "fc.bias": (CLASSES,),
    }
    for name, convolution in _CONVOLUTIONS.items():
        shapes[f"{name}.conv.weight"] = convolution.shape
        shapes |= {f"{name}.bn.{part}": convolution.shape[:1] for part in _NORM}
    return shapes


class Inception:
    """The network with its weights. Raises ValueError for weights of another network."""

    def __init__(self, weights: Mapping[str, Any], device: str) -> None:
        wanted = weight_shapes()
        # How many batches a norm has seen: some files have it, none needs it.
        found = {
            name: tuple(getattr(value, "shape", ()))
            for name, value in weights.items()
            if not name.endswith(".num_batches_tracked")
        }
        if wrong := sorted(k for k in {*wanted, *found} if wanted.get(k) != found.get(k)):
            name = wrong[0]
            raise ValueError(
                f"{len(wrong)} tensors differ, the first is {name}: expected "
                f"{wanted.get(name, 'none')}, got {found.get(name, 'none')}"
            )
        used = {k: weights[k].float().to(device) for k in wanted if not k.startswith("fc.")}
        self._weights: dict[str, Tensor] = used

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features (n, 2048) of pictures (n, 3, 299, 299) in −1 to 1."""
        names = iter(_STEM)
        for _ in range(3):
            x = self._convolve(x, next(names))
        x = functional.max_pool2d(x, 3, stride=2)
        for _ in range(2):
            x = self._convolve(x, next(names))
        x = functional.max_pool2d(x, 3, stride=2)
        for block in _BLOCKS_35:
            x = self._join(
                self._chain(x, block, "branch1x1"),
                self._chain(x, block, "branch5x5_1", "branch5x5_2"),
                self._chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                self._chain(_average(x), block, "branch_pool"),
            )
        x = self._join(
            self._chain(x, "Mixed_6a", "branch3x3"),
            self._chain(x, "Mixed_6a", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            functional.max_pool2d(x, 3, stride=2),
        )
        for block in _BLOCKS_17:
            x = self._join(
                self._chain(x, block, "branch1x1"),
                self._chain(x, block, *(f"branch7x7_{i}" for i in (1, 2, 3))),
                self._chain(x, block, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
                self._chain(_average(x), block, "branch_pool"),
            )
        x = self._join(
            self._chain(x, "Mixed_7a", "branch3x3_1", "branch3x3_2"),
            self._chain(x, "Mixed_7a", *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))),
            functional.max_pool2d(x, 3, stride=2),
        )
        for block, pool in zip(_BLOCKS_8, (_average, _maximum), strict=True):
            single = self._chain(x, block, "branch3x3_1")
            double = self._chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
            x = self._join(
                self._chain(x, block, "branch1x1"),
                self._chain(single, block, "branch3x3_2a"),
                self._chain(single, block, "branch3x3_2b"),
                self._chain(double, block, "branch3x3dbl_3a"),
                self._chain(double, block, "branch3x3dbl_3b"),
                self._chain(pool(x), block, "branch_pool"),
            )
        return x.mean(dim=(2, 3))

    def _chain(self, x: Tensor, block: str, *names: str) -> Tensor:
        for name in names:
            x = self._convolve(x, f"{block}.{name}")
        return x

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        convolution, w = _CONVOLUTIONS[name], self._weights
        x = functional.conv2d(
            x, w[f"{name}.conv.weight"], None, convolution.stride, convolution.pad
        )
        gain, shift, mean, variance = (w[f"{name}.bn.{part}"] for part in _NORM)
        return functional.relu(functional.batch_norm(x, mean, variance, gain, shift, eps=_EPSILON))

    def _join(self, *branches: Tensor) -> Tensor:
        return torch.cat(branches, 1)


def _average(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=1, padding=1)

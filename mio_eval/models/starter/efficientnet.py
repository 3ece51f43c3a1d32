"""EfficientNet-Lite0: 1000 ImageNet classes from one 224 x 224 picture, in plain torch.

The architecture is EfficientNet-B0 (Tan and Le, 2019, table 1: https://arxiv.org/abs/1905.11946)
as its authors' "lite" variant has it: no squeeze-and-excitation, and ReLU6 in place of swish. Each
block is MobileNetV2's inverted bottleneck (1x1 expand, depthwise, 1x1 project, each with a batch
norm; a shortcut where the shape stays); padding is TensorFlow's SAME; batch norm's epsilon is
0.001. Batch norms are folded into the convolutions when the weights are loaded.

Measured agreement with the network that the weights were published for
(efficientnet-lite-pytorch 0.1.0, run beside this one on the same tensors): the largest difference
of any logit was 1.2e-5 over 15 photos and 1.0e-5 over random noise, where logits go up to 7.
`tests/golden/starter/README.md` says how the reference logits of the tests were made.

Preprocessing: RGB; the central square of 224/256 = 0.875 of the shorter side, resized to 224 x 224
with Pillow's antialiased bicubic filter; then (value - 127) / 128.
The crop and the filter are EfficientNet's own for evaluation; 127 and 128 are the lite models'
(other ports of the same weights have them, or 0.5 and 0.5 of full scale, which differ by little).
The PyTorch package's README shows ImageNet's mean and deviation per channel instead; these weights
do not take that well: the photo of a cup of espresso falls from 0.95 "espresso" to 0.78.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch.nn import functional

from mio_eval.errors import UsageError
from mio_eval.models.starter.captioner import imagenet_labels

Tensor: TypeAlias = torch.Tensor

SIZE = 224  # pixels, of the square input
CROP = 224 / 256  # of the shorter side
MEAN, SCALE = 127.0, 128.0
EPSILON = 1e-3
CLASSES = 1000

STEM, HEAD = 32, 1280  # channels
# (blocks, kernel, stride of the first block, expansion, channels out), the paper's table 1
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Convolution:
    """One convolution without bias and the batch norm after it, by their names in the file."""

    weight: str
    norm: str
    shape: tuple[int, int, int, int]  # (out, in / groups, kernel, kernel)
    stride: int = 1
    depthwise: bool = False


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck."""

    convolutions: tuple[Convolution, ...]  # all but the last are followed by ReLU6
    shortcut: bool


def blocks() -> tuple[Block, ...]:
    """Return the 16 bottleneck blocks in order."""
    found: list[Block] = []
    width = STEM
    for count, kernel, first_stride, expansion, out in STAGES:
        for index in range(count):
            stride = first_stride if index == 0 else 1
            name = f"_blocks.{len(found)}."
            wide = width * expansion
            parts = [
                Convolution(
                    f"{name}_depthwise_conv", f"{name}_bn1", (wide, 1, kernel, kernel), stride, True
                ),
                Convolution(f"{name}_project_conv", f"{name}_bn2", (out, wide, 1, 1)),
            ]
            if expansion != 1:
                shape = (wide, width, 1, 1)
                parts.insert(0, Convolution(f"{name}_expand_conv", f"{name}_bn0", shape))
            found.append(Block(tuple(parts), shortcut=stride == 1 and width == out))
            width = out
    return tuple(found)


STEM_CONVOLUTION = Convolution("_conv_stem", "_bn0", (STEM, 3, 3, 3), stride=2)
HEAD_CONVOLUTION = Convolution("_conv_head", "_bn1", (HEAD, STAGES[-1][-1], 1, 1))
BLOCKS = blocks()
CONVOLUTIONS = (
    STEM_CONVOLUTION,
    *(convolution for block in BLOCKS for convolution in block.convolutions),
    HEAD_CONVOLUTION,
)


def state_shapes() -> dict[str, tuple[int, ...]]:
    """Return the name and the shape of every tensor that the weights file must hold."""
    shapes: dict[str, tuple[int, ...]] = {}
    for convolution in CONVOLUTIONS:
        shapes[f"{convolution.weight}.weight"] = convolution.shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{convolution.norm}.{part}"] = (convolution.shape[0],)
        shapes[f"{convolution.norm}.num_batches_tracked"] = ()
    shapes["_fc.weight"] = (CLASSES, HEAD)
    shapes["_fc.bias"] = (CLASSES,)
    return shapes


class Network:
    """The network as pure functions over tensors, ready for inference on the CPU.

    Args:
        state: exactly the tensors of `state_shapes()`.

    Raises:
        ValueError: a tensor is missing, unknown or of another shape.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        expected = state_shapes()
        problems = [f"missing {name}" for name in expected if name not in state]
        problems += [f"unknown {name}" for name in state if name not in expected]
        problems += [
            f"{name} has shape {tuple(state[name].shape)}, expected {shape}"
            for name, shape in expected.items()
            if name in state and tuple(state[name].shape) != shape
        ]
        if problems:
            more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
            raise ValueError(f"not EfficientNet-Lite0: {'; '.join(problems[:3])}{more}")
        self._folded = {c.weight: _fold(state, c) for c in CONVOLUTIONS}
        self._classifier = (state["_fc.weight"].float(), state["_fc.bias"].float())

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return logits (n, 1000) for normalised pixels (n, 3, height, width), float32."""
        with torch.inference_mode():
            return functional.linear(self.features(pixels), *self._classifier)

    def features(self, pixels: Tensor) -> Tensor:
        """Return the pooled features (n, 1280) before the classifier."""
        with torch.inference_mode():
            x = functional.relu6(self._convolve(pixels, STEM_CONVOLUTION))
            for block in BLOCKS:
                x = self._block(x, block)
            x = functional.relu6(self._convolve(x, HEAD_CONVOLUTION))
            return x.mean(dim=(2, 3))

    def _block(self, x: Tensor, block: Block) -> Tensor:
        inputs = x
        for convolution in block.convolutions[:-1]:
            x = functional.relu6(self._convolve(x, convolution))
        x = self._convolve(x, block.convolutions[-1])
        return x + inputs if block.shortcut else x

    def _convolve(self, x: Tensor, convolution: Convolution) -> Tensor:
        weight, bias = self._folded[convolution.weight]
        kernel, stride = convolution.shape[2], convolution.stride
        left, right = _same(x.shape[3], kernel, stride)
        top, bottom = _same(x.shape[2], kernel, stride)
        groups = convolution.shape[0] if convolution.depthwise else 1
        if left == right and top == bottom:
            return functional.conv2d(x, weight, bias, stride, (top, left), 1, groups)
        return functional.conv2d(
            functional.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, 1, groups
        )


def _fold(state: dict[str, Tensor], convolution: Convolution) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that do the convolution and its batch norm in one step."""
    parts = ("weight", "bias", "running_mean", "running_var")
    gain, shift, mean, variance = (state[f"{convolution.norm}.{part}"].double() for part in parts)
    factor = gain / torch.sqrt(variance + EPSILON)
    weight = state[f"{convolution.weight}.weight"].double() * factor[:, None, None, None]
    return weight.float(), (shift - mean * factor).float()


def _same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding before and after, in pixels: the odd one comes after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def preprocess(image: Image.Image) -> Tensor:
    """Return the normalised pixels (3, 224, 224), float32, of one picture.

    Transparent parts are laid on white. The picture is taken as stored: apply an EXIF rotation
    before.

    Raises:
        ValueError: the picture has no pixels.
    """
    if min(image.size) < 1:
        raise ValueError(f"the picture has no pixels (size {image.size[0]} x {image.size[1]})")
    if image.mode != "RGB":
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        image = image.convert("RGB")
    width, height = image.size
    side = min(width, height) * CROP
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    small = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
    pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8)
    pixels = pixels.reshape(SIZE, SIZE, 3).permute(2, 0, 1)
    return (pixels.float() - MEAN) / SCALE


def _read(weights: Path) -> dict[str, Tensor]:
    """Read named tensors from a file that torch wrote, without running what it may hold."""
    with weights.open("rb") as file:
        try:
            state: Any = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises errors of many kinds
            kind = type(error).__name__
            raise ValueError(f"it is damaged or not a file of weights ({kind})") from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError("it does not hold named tensors")
    return state


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, and give the process its own number back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Classifier:
    """EfficientNet-Lite0 with its ImageNet-1k weights, on the CPU.

    Args:
        weights: the `.pth` file of the packaged asset `efficientnet-lite0`; read with
            `weights_only`, so it cannot run code.
        labels: 1000 class names in the order of the outputs; ImageNet's by default.
        threads: torch threads while it runs. One by default: a picture at a time gains nothing
            from two, and on cores that are shared, threads that wait for each other cost far more.

    Raises:
        UsageError: the file cannot be read, or it holds another model.
        ValueError: another number of labels than 1000, or fewer than one thread.
    """

    def __init__(
        self, weights: Path, labels: Sequence[str] | None = None, *, threads: int = 1
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        self._threads = threads
        self.labels = tuple(imagenet_labels() if labels is None else labels)
        if len(self.labels) != CLASSES:
            raise ValueError(f"expected {CLASSES} labels, got {len(self.labels)}")
        try:
            self._network = Network(_read(weights))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot load the classifier from {weights}: {error}") from error

    def logits(self, images: Sequence[Image.Image]) -> Tensor:
        """Return the logits (n, 1000), float32, of n pictures of any size and mode.

        Each picture goes through the network alone, so its logits do not depend on its neighbours.
        """
        if not images:
            return torch.empty((0, CLASSES))
        with _torch_threads(self._threads):
            return torch.cat([self._network(preprocess(image)[None]) for image in images])

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Return the pooled features (n, 1280), float32, before the classifier."""
        with _torch_threads(self._threads):
            return torch.cat([self._network.features(preprocess(image)[None]) for image in images])

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """Return the softmax of the logits: (n, 1000), float32, each row sums to 1."""
        return torch.softmax(self.logits(images), dim=1)

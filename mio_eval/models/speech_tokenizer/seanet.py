"""SEANet: the convolutions around SpeechTokenizer's codes.

Zeghidour et al., "SoundStream" (2021) and Défossez et al., "High Fidelity Neural Audio Compression"
(2022), section 3.1, in the non-causal form of Zhang et al., "SpeechTokenizer" (2023), section 3.1;
reference implementation ZhangXInFD/SpeechTokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_KERNEL = 7  # of the first and the last convolution
_COMPRESS = 2  # a residual block works at half the width


class Snake(nn.Module):
    """x + sin²(αx)/α with one learned α a channel (the activation of AnyGPT's checkpoint)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, time) to the same shape."""
        return x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).square()


class Conv(nn.Conv1d):
    """A convolution padded by reflection, so that n samples give ceil(n / stride) steps."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in, time) to (n, out, ceil(time / stride))."""
        kernel, stride, dilation = self.kernel_size[0], self.stride[0], self.dilation[0]
        total = (kernel - 1) * dilation - (stride - 1)
        length = x.shape[-1]
        steps = math.ceil((length - kernel + total) / stride + 1)
        extra = (steps - 1) * stride + kernel - total - length
        right = total // 2
        return cast(Tensor, super().forward(_reflect(x, total - right, right + extra)))


def _reflect(x: Tensor, left: int, right: int) -> Tensor:
    """Pad by reflection; an input shorter than its padding is lengthened with zeros first."""
    short = max(0, max(left, right) - x.shape[-1] + 1)
    padded = functional.pad(functional.pad(x, (0, short)), (left, right), "reflect")
    return padded[..., : padded.shape[-1] - short]


class ConvTranspose(nn.ConvTranspose1d):
    """A transposed convolution cut on both sides, so that n steps give n × stride samples."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in, time) to (n, out, time × stride)."""
        y = super().forward(x)
        total = self.kernel_size[0] - self.stride[0]
        right = total // 2
        return cast(Tensor, y[..., total - right : y.shape[-1] - right])


class Recurrent(nn.Module):
    """An LSTM over time with its input added to its output."""

    def __init__(self, channels: int, layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, time) to (n, channels or twice as many, time)."""
        x = x.permute(2, 0, 1)
        y, _ = self.lstm(x)
        return (y + x.repeat(1, 1, y.shape[-1] // x.shape[-1])).permute(1, 2, 0)


class Residual(nn.Module):
    """Two convolutions beside a convolution of width one."""

    def __init__(self, channels: int, kernel: int, dilation: int, activation: str) -> None:
        super().__init__()
        inner = channels // _COMPRESS
        self.block = nn.Sequential(
            _activation(activation, channels),
            Conv(channels, inner, kernel, dilation=dilation),
            _activation(activation, inner),
            Conv(inner, channels, 1),
        )
        self.shortcut = Conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, time) to the same shape."""
        return cast(Tensor, self.shortcut(x) + self.block(x))


def _activation(name: str, channels: int) -> nn.Module:
    return Snake(channels) if name == "Snake" else getattr(nn, name)()


def _residuals(channels: int, kernel: int, base: int, count: int, name: str) -> list[nn.Module]:
    return [Residual(channels, kernel, base**i, name) for i in range(count)]


def encoder(
    *,
    filters: int,
    dimension: int,
    strides: Sequence[int],
    lstm_layers: int,
    bidirectional: bool,
    kernel: int,
    dilation_base: int,
    residuals: int,
    activation: str,
) -> nn.Sequential:
    """Build wave (n, 1, samples) → features (n, dimension, steps)."""
    width = filters
    layers: list[nn.Module] = [Conv(1, width, _KERNEL)]
    for stride in reversed(strides):
        layers += _residuals(width, kernel, dilation_base, residuals, activation)
        layers += [
            _activation(activation, width),
            Conv(width, 2 * width, 2 * stride, stride=stride),
        ]
        width *= 2
    if lstm_layers:
        layers.append(Recurrent(width, lstm_layers, bidirectional))
        width *= 2 if bidirectional else 1
    layers += [_activation(activation, width), Conv(width, dimension, _KERNEL)]
    return nn.Sequential(*layers)


def decoder(
    *,
    filters: int,
    dimension: int,
    strides: Sequence[int],
    lstm_layers: int,
    kernel: int,
    dilation_base: int,
    residuals: int,
    activation: str,
) -> nn.Sequential:
    """Build features (n, dimension, steps) → wave (n, 1, samples)."""
    width = filters * 2 ** len(strides)
    layers: list[nn.Module] = [Conv(dimension, width, _KERNEL)]
    if lstm_layers:
        layers.append(Recurrent(width, lstm_layers, bidirectional=False))
    for stride in strides:
        layers += [
            _activation(activation, width),
            ConvTranspose(width, width // 2, 2 * stride, stride=stride),
        ]
        width //= 2
        layers += _residuals(width, kernel, dilation_base, residuals, activation)
    layers += [_activation(activation, width), Conv(width, 1, _KERNEL)]
    return nn.Sequential(*layers)

"""The network of SoundStorm: a Conformer that sees a step's codes as one sum of embeddings.

Borsos et al., "SoundStorm" (2023), section 3; Gulati et al., "Conformer" (2020), section 2;
reference implementation OpenMOSS/AnyGPT, `soundstorm_speechtokenizer`, whose weights it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 8  # of the released network; no weight's shape tells it
_BASE = 10_000.0  # of the rotary positions
_FLOOR = 1e-6  # of a variance

_NAMES = (
    (r"^net\.conformer\.layers\.", "blocks."),
    (r"\.ff(\d)\.fn\.norm\.", r".ff\1.0."),
    (r"\.ff(\d)\.fn\.fn\.net\.0\.", r".ff\1.1."),
    (r"\.ff(\d)\.fn\.fn\.net\.3\.", r".ff\1.3."),
    (r"\.attn\.norm\.", ".attention.norm."),
    (r"\.attn\.fn\.to_(q|kv|out)\.", r".attention.\1."),
    (r"\.conv\.net1\.0\.", ".conv.norm."),
    (r"\.conv\.net1\.2\.", ".conv.widen."),
    (r"\.conv\.ds_conv\.conv\.", ".conv.depth."),
    (r"\.conv\.net2\.1\.", ".conv."),
    (r"\.conv\.net2\.2\.", ".conv.narrow."),
    (r"\.post_norm\.", ".norm."),
    (r"^net\.code_embeds\.", "acoustic."),
    (r"^semantic_token_emb\.", "semantic."),
    (r"^net\.heads\.0\.", "split."),
    (r"^net\.to_logits\.0\.", "norm."),
    (r"^net\.to_logits\.2\.weight$", "head"),
    (r"^net\.to_logits\.2\.bias$", "head_bias"),
)


@dataclass(frozen=True, slots=True)
class StormSizes:
    """The sizes of a checkpoint (in brackets: as released).

    Args:
        width: of a step's vector (1024).
        depth: blocks (12).
        inner: width inside attention, heads × head width (8 × 128).
        hidden: width inside a feed-forward (4096).
        conv: width inside a convolution (2048).
        kernel: steps that a convolution sees (31).
        levels: acoustic codes a step (7).
        codes: entries of a codebook (1024); one more stands for "not known yet".
        semantic: semantic codes (1024).
        heads: attention heads (8).
    """

    width: int
    depth: int
    inner: int
    hidden: int
    conv: int
    kernel: int
    levels: int
    codes: int
    semantic: int
    heads: int = HEADS


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a released checkpoint's weights the names that `Conformer` uses."""
    named = {}
    for released, tensor in state.items():
        name = released
        for pattern, new in _NAMES:
            name = re.sub(pattern, new, name)
        named[name] = tensor.float()
    return named


def sizes_of(state: Mapping[str, Tensor], heads: int = HEADS) -> StormSizes:
    """Read the sizes off renamed weights. Raises KeyError for one that is missing."""
    levels, width, codes = state["head"].shape
    return StormSizes(
        width=width,
        depth=1 + max(int(n.split(".")[1]) for n in state if n.startswith("blocks.")),
        inner=state["blocks.0.attention.q.weight"].shape[0],
        hidden=state["blocks.0.ff1.1.weight"].shape[0],
        conv=state["blocks.0.conv.depth.weight"].shape[0],
        kernel=state["blocks.0.conv.depth.weight"].shape[-1],
        levels=levels,
        codes=codes,
        semantic=state["semantic.weight"].shape[0],
        heads=heads,
    )


class Conformer(nn.Module):
    """Semantic codes and acoustic codes, some unknown → logits of every acoustic code."""

    def __init__(self, sizes: StormSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, levels, codes = sizes.width, sizes.levels, sizes.codes
        self.semantic = nn.Embedding(sizes.semantic, width)
        self.acoustic = nn.Embedding(levels * (codes + 1), width)
        self.blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.split = nn.Linear(width, width * levels)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Parameter(torch.empty(levels, width, codes))
        self.head_bias = nn.Parameter(torch.empty(levels, codes))

    def forward(self, semantic: Tensor, acoustic: Tensor) -> Tensor:
        """Return logits (n, steps, levels, codes).

        Args:
            semantic: codes, shape (n, steps).
            acoustic: codes, shape (n, steps, levels); `sizes.codes` where one is not known.
        """
        sizes = self.sizes
        first = torch.arange(sizes.levels, device=acoustic.device) * (sizes.codes + 1)
        x = self.acoustic(acoustic + first).sum(2) + self.semantic(semantic)
        turn = _rotation(x.shape[1], sizes.inner // sizes.heads, x.device)
        for block in self.blocks:
            x = block(x, turn)
        split = self.norm(self.split(x).unflatten(-1, (sizes.levels, sizes.width)))
        return torch.einsum("nsld,ldc->nslc", split, self.head) + self.head_bias


class _Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, each added to its input."""

    def __init__(self, sizes: StormSizes) -> None:
        super().__init__()
        self.ff1 = _feed_forward(sizes)
        self.attention = _Attention(sizes)
        self.conv = _Convolution(sizes)
        self.ff2 = _feed_forward(sizes)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """Map (n, steps, width) to the same shape."""
        x = x + self.ff1(x) / 2
        x = x + self.attention(x, turn)
        x = x + self.conv(x)
        x = x + self.ff2(x) / 2
        return cast(Tensor, self.norm(x))


def _feed_forward(sizes: StormSizes) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(sizes.width),
        nn.Linear(sizes.width, sizes.hidden),
        nn.SiLU(),
        nn.Linear(sizes.hidden, sizes.width),
    )


class _Attention(nn.Module):
    """Attention over all steps, with rotary positions."""

    def __init__(self, sizes: StormSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.norm = nn.LayerNorm(sizes.width)
        self.q = nn.Linear(sizes.width, sizes.inner, bias=False)
        self.kv = nn.Linear(sizes.width, 2 * sizes.inner, bias=False)
        self.out = nn.Linear(sizes.inner, sizes.width)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """Map (n, steps, width) to the same shape."""
        x = self.norm(x)
        parts = (self.q(x), *self.kv(x).chunk(2, -1))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        found = functional.scaled_dot_product_attention(_turned(q, turn), _turned(k, turn), v)
        return cast(Tensor, self.out(found.transpose(1, 2).flatten(2)))


class _Convolution(nn.Module):
    """A gated convolution, each channel alone in time."""

    def __init__(self, sizes: StormSizes) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sizes.width)
        self.widen = nn.Conv1d(sizes.width, 2 * sizes.conv, 1)
        self.depth = nn.Conv1d(
            sizes.conv, sizes.conv, sizes.kernel, padding=sizes.kernel // 2, groups=sizes.conv
        )
        self.gamma = nn.Parameter(torch.ones(1, sizes.conv, 1))
        self.narrow = nn.Conv1d(sizes.conv, sizes.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, steps, width) to the same shape."""
        y = functional.glu(self.widen(self.norm(x).transpose(1, 2)), dim=1)
        y = functional.silu(self.depth(y))
        variance, mean = torch.var_mean(y, dim=1, correction=0, keepdim=True)
        y = (y - mean) * variance.clamp(min=_FLOOR).rsqrt() * self.gamma
        return cast(Tensor, self.narrow(y).transpose(1, 2))


def _rotation(steps: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, each of shape (steps, width)."""
    speed = _BASE ** -(torch.arange(0, width, 2, device=device).float() / width)
    angle = torch.arange(steps, device=device).float()[:, None] * speed
    angle = torch.cat((angle, angle), -1)
    return angle.cos(), angle.sin()


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat((-second, first), -1) * turn[1]

"""Reads the released files of SEED-2 and gives their weights the names our modules use.

The released names are those of AILab-CVC/SEED (`seed_quantizer.pt`, `eva_vit_g.pth`). Sizes are
read off the tensors, so a checkpoint of any width and depth loads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

QUANTIZER = "seed_quantizer.pt"
VISION = "eva_vit_g.pth"
VISION_DEPTH = 39  # EVA-CLIP-g has 40 blocks; BLIP-2 and SEED leave out the last
VISION_HEAD = 88  # width of one attention head of EVA-CLIP-g
TEXT_HEAD = 64  # of BERT-base, and so of the Q-Former and the decoder

_VISION_NAMES = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^blocks\.(\d+)\.norm(\d)\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.\1.self_attn.qkv."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.projection."),
    (r"^blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
)
_QFORMER_NAMES = (
    (r"^embeddings\.LayerNorm\.", "layernorm."),
    (r"\.(attention|crossattention)\.self\.", r".\1.attention."),
)
_BLOCK_NAMES = (
    (r"\.attn\.qkv\.", ".self_attn.in_proj_"),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.fc1\.", ".linear1."),
    (r"\.mlp\.fc2\.", ".linear2."),
)


@dataclass(frozen=True, slots=True)
class SeedSizes:
    """The sizes of a checkpoint (in brackets: as released).

    Args:
        image: pixels a side (224).
        patch: pixels a side of a patch (14).
        vision: width, depth and hidden width of the image encoder (1408, 39, 6144).
        qformer: width, depth and hidden width of the Q-Former (768, 12, 3072).
        queries: codes an image (32).
        codes: number and width of the codebook's entries (8192, 32).
        decoder: depth and hidden width of the decoder's blocks (4, 3072).
        down: widths of the decoder's bottleneck (256, 128, 32).
        embedding: width of the image embedding (1024).
    """

    image: int
    patch: int
    vision: tuple[int, int, int]
    qformer: tuple[int, int, int]
    queries: int
    codes: tuple[int, int]
    decoder: tuple[int, int]
    down: tuple[int, int, int]
    embedding: int


@dataclass(frozen=True, slots=True)
class SeedWeights:
    """Weights under our modules' names, and the sizes they imply."""

    sizes: SeedSizes
    vision: dict[str, Tensor]
    qformer: dict[str, Tensor]
    rest: dict[str, Tensor]


def read_weights(folder: Path) -> SeedWeights:
    """Read `seed_quantizer.pt` and `eva_vit_g.pth`. Raises UsageError when one is missing or odd.

    The image encoder's weights may be in either file; those in `seed_quantizer.pt` win, as they do
    in the release, which loads that file last.
    """
    state = _load(folder / QUANTIZER)
    inside = {n.removeprefix("visual_encoder."): t for n, t in state.items() if "visual_en" in n}
    vision = inside
    if (folder / VISION).is_file() or not inside:
        vision = {**_load(folder / VISION), **inside}
    try:
        sizes = _sizes(state, vision)
        return SeedWeights(
            sizes,
            {**_vision(vision, sizes), **_rename(state, "ln_vision.", "post_layernorm.")},
            _qformer(state),
            _rest(state),
        )
    except KeyError as error:
        raise UsageError(
            f"{folder / QUANTIZER} has no weight {error.args[0]}: it is not the SEED-2 tokenizer "
            "that MIO was released with; give the release's seed-tokenizer-2 folder"
        ) from error


def _load(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        state: dict[str, Tensor] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} does not exist; the SEED-2 tokenizer needs {QUANTIZER} and {VISION}"
        ) from error
    # torch raises many types for a file that is no checkpoint, or one with code in it.
    except Exception as error:
        raise UsageError(f"cannot read the weights in {path}: {error}") from error
    return state


def _sizes(state: Mapping[str, Tensor], vision: Mapping[str, Tensor]) -> SeedSizes:
    patch = vision["patch_embed.proj.weight"].shape[-1]
    width = vision["cls_token"].shape[-1]
    side = round((vision["pos_embed"].shape[1] - 1) ** 0.5)
    depth = min(VISION_DEPTH, _count(vision, r"^blocks\.(\d+)\."))
    layer = "Qformer.bert.encoder.layer"
    return SeedSizes(
        image=side * patch,
        patch=patch,
        vision=(width, depth, vision["blocks.0.mlp.fc1.weight"].shape[0]),
        qformer=(
            state["query_tokens"].shape[-1],
            _count(state, rf"^{re.escape(layer)}\.(\d+)\."),
            state[f"{layer}.0.intermediate_query.dense.weight"].shape[0],
        ),
        queries=state["query_tokens"].shape[1],
        codes=(
            state["quantize.embedding.weight"].shape[0],
            state["quantize.embedding.weight"].shape[1],
        ),
        decoder=(
            _count(state, r"^blocks_image\.(\d+)\."),
            state["blocks_image.0.mlp.fc1.weight"].shape[0],
        ),
        down=(
            state["image_down.0.weight"].shape[0],
            state["image_down.2.weight"].shape[0],
            state["image_down.4.weight"].shape[0],
        ),
        embedding=state["distill_image_proj.weight"].shape[0],
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(m[1]) for name in state if (m := re.match(pattern, name))), default=-1)


def _vision(vision: Mapping[str, Tensor], sizes: SeedSizes) -> dict[str, Tensor]:
    import torch

    named: dict[str, Tensor] = {}
    for name, tensor in vision.items():
        block = re.match(r"^blocks\.(\d+)\.", name)
        if block and int(block[1]) >= sizes.vision[1]:
            continue
        new = _apply(name, _VISION_NAMES)
        if new != name:
            named[new] = tensor
    for layer in range(sizes.vision[1]):
        # Queries and values have a bias, keys have none.
        q, v = (vision[f"blocks.{layer}.attn.{x}_bias"] for x in "qv")
        bias = torch.cat((q, torch.zeros_like(q), v))
        named[f"encoder.layers.{layer}.self_attn.qkv.bias"] = bias
    return named


def _qformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take what the Q-Former computes queries with; the release drops its text half."""
    kept = r"^(embeddings\.LayerNorm|encoder\.layer\.\d+\.(attention|crossattention|\w+_query))\."
    named = _rename(state, "Qformer.bert.", "")
    return {_apply(n, _QFORMER_NAMES): t for n, t in named.items() if re.match(kept, n)}


def _rest(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {
        "query_tokens": state["query_tokens"],
        "codebook": state["quantize.embedding.weight"],
        "position": state["pos_embed_image"],
        **_rename(state, "encode_task_layer.", "to_code."),
        **_rename(state, "decode_task_layer.", "from_code."),
        **_rename(state, "image_down.", "down."),
        **_rename(state, "distill_image_proj.", "project."),
    }
    blocks = _rename(state, "blocks_image.", "blocks.")
    return {**named, **{_apply(n, _BLOCK_NAMES): t for n, t in blocks.items()}}


def _rename(state: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {new + n.removeprefix(old): t for n, t in state.items() if n.startswith(old)}


def _apply(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name

"""Records what the released SEED-2 code computes, for `tests/models/mio/test_seed.py`.

Run it beside a checkout of github.com/MIO-Team/MIO, in the folder tests/, in an environment with
torch, einops, timm and transformers 4.46 (the released code does not import with 5):

    python -m reference.seed_tokenizer --reference MIO --out golden/mio/seed_tokenizer
    python -m reference.seed_tokenizer --reference MIO --full --out FOLDER/full

It writes OUT.json (names and shapes of the weights of both released files) and OUT.npz (codes,
vectors before quantisation, image embeddings). Weights and pixels are made again from their names,
see weights.py. The sizes of BERT-base, which the released code fetches, are stated here.
"""

from __future__ import annotations

import argparse
import json
import sys
import types
from functools import partial
from pathlib import Path

import numpy as np
import torch
from reference.weights import make_weight, make_weights
from torch import nn

FULL = {
    "image": 224,
    "vision": {"embed_dim": 1408, "depth": 39, "mlp_ratio": 4.3637},
    "bert": {},
    "arguments": {},
}
SMALL = {
    "image": 42,
    "vision": {"embed_dim": 176, "depth": 3, "mlp_ratio": 2.0},
    "bert": {"hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 192},
    "arguments": {"n_embed": 512, "decode_depth": 2, "image_features_dim": 32},
}
IMAGES = 2
CODEBOOK = "quantize.embedding.weight"


def place_codebook(shape: list[int], place: torch.Tensor) -> torch.Tensor:
    """Make a codebook around the vectors it quantises (their mean and spread), so that many of its
    entries are used: random networks give vectors that lie close together."""
    return make_weight(CODEBOOK, tuple(shape)) * place[1] + place[0]


def build(reference: Path, sizes: dict) -> nn.Module:
    """Build the released tokenizer at these sizes, without its downloads."""
    sys.path.insert(0, str(reference))
    # Only used to fetch files; newer timm has no such module.
    sys.modules.setdefault("timm.models.hub", types.ModuleType("timm.models.hub"))
    from image_tokenizer.models.seed_qformer import blip2, eva_vit, qformer_quantizer, vit
    from transformers.models.bert.configuration_bert import BertConfig

    base = blip2.Blip2Base
    heads = sizes["bert"].get("hidden_size", 768) // 64
    config = BertConfig(**sizes["bert"], num_attention_heads=heads)
    blip2.BertConfig = types.SimpleNamespace(from_pretrained=lambda _: config)
    causal = blip2.BertLMHeadModel
    blip2.BertLMHeadModel = types.SimpleNamespace(from_pretrained=lambda _, config: causal(config))
    base.init_tokenizer = classmethod(lambda cls: None)
    blip2.create_eva_vit_g = lambda *_, **__: eva_vit.VisionTransformer(
        img_size=sizes["image"],
        patch_size=14,
        use_mean_pooling=False,
        num_heads=sizes["vision"]["embed_dim"] // 88,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        **sizes["vision"],
    )
    # The released decoder has 12 heads, of width 64 at its released size.
    qformer_quantizer.Block = lambda num_heads, **rest: vit.Block(num_heads=heads, **rest)
    return qformer_quantizer.Blip2QformerQuantizer(vit_precision="fp32", **sizes["arguments"])


def pixels(side: int) -> torch.Tensor:
    """Make normalised pixels of shape (IMAGES, 3, side, side)."""
    return torch.stack(
        [make_weight(f"pixels {i} norm", (3, side, side)) * 10 for i in range(IMAGES)]
    )


@torch.no_grad()
def main() -> None:
    """Run the reference and write its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    sizes = FULL if options.full else SMALL
    model = build(options.reference, sizes).eval()
    shapes = {
        name: list(tensor.shape)
        for name, tensor in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    model.load_state_dict(make_weights(shapes), strict=False)
    x = pixels(sizes["image"])
    seen = {}
    model.encode_task_layer.register_forward_hook(lambda m, i, out: seen.update(features=out))
    model.get_codebook_indices(x)
    flat = seen["features"].flatten(0, 1)
    place = torch.stack([flat.mean(0), flat.std(0)])
    model.load_state_dict({CODEBOOK: place_codebook(shapes[CODEBOOK], place)}, strict=False)
    codes, _ = model.get_codebook_indices(x)
    embeddings = model.get_codebook_entry(codes)
    options.out.with_suffix(".json").write_text(json.dumps({"shapes": shapes}, indent=0) + "\n")
    np.savez_compressed(
        options.out.with_suffix(".npz"),
        codes=codes.numpy().astype(np.int16),
        place=place.numpy(),
        features=seen["features"].numpy(),
        embeddings=embeddings.numpy(),
    )


if __name__ == "__main__":
    main()

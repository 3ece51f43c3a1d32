"""`--model-args` of every released system; for the list of models, so this imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

IMAGES, PAINTER = "seed-tokenizer-2", "stable-diffusion-2-1-unclip"

LOADING: Mapping[str, str] = {
    "dtype": "of the language model: float32, float16, bfloat16 (default: the checkpoint's)",
    "image_dtype": "of the image tokenizer (default float32; float16 as released)",
    "painter_dtype": "of unCLIP (default float32; float16 as released)",
    "device": "cpu, cuda, cuda:1, mps … (default: cuda where there is one)",
    "media_device": "of the media tokenizers and unCLIP (default: device)",
    "device_map": "spread the language model over devices, as transformers' device_map",
    "attn": "attention of the language model: sdpa, eager, flash_attention_2",
}
PAINTING: Mapping[str, str] = {
    "steps": "denoising steps of unCLIP (default 20)",
    "guidance": "guidance scale of unCLIP (default 10)",
    "latent_seed": "seed of the latent every image starts from (default 0; the release has none)",
}

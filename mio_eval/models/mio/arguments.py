"""What `--model-args` takes for `mio`; imported for the list of models, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

IMAGES, PAINTER, SPEECH = "seed-tokenizer-2", "stable-diffusion-2-1-unclip", "SpeechTokenizer"

ARGUMENTS: Mapping[str, str] = {
    "pretrained": "folder or hub id of a release (m-a-p/MIO-7B-Instruct, m-a-p/MIO-7B-Base)",
    "revision": "hub revision (default: the newest, recorded as its commit)",
    "variant": "instruct, base or auto (auto: base where the name says so)",
    "decoding": "task (the task's settings), paper (Table 11) or release (infer.py)",
    "dtype": "of the language model: float32, float16, bfloat16 (default: the checkpoint's)",
    "image_dtype": "of the image tokenizer (default float32; float16 as released)",
    "painter_dtype": "of unCLIP (default float32; float16 as released)",
    "device": "cpu, cuda, cuda:1, mps … (default: cuda where there is one)",
    "media_device": "of the media tokenizers and unCLIP (default: device)",
    "device_map": "spread the language model over devices, as transformers' device_map",
    "attn": "attention of the language model: sdpa, eager, flash_attention_2",
    "resize": "bilinear (as released) or bicubic (as SEED's own evaluation and LIME)",
    "system": "system prompt: auto (voice for speech, else std), std, voice, none",
    "indent": "on: 8 spaces before each line of the chat format, as in LIME's run (default off)",
    "steps": "denoising steps of unCLIP (default 20)",
    "guidance": "guidance scale of unCLIP (default 10)",
    "latent_seed": "seed of the latent every image starts from (default 0; the release has none)",
    "images": f"folder of the image tokenizer (default {IMAGES} in the checkpoint)",
    "painter": f"folder of Stable unCLIP (default {PAINTER} in the checkpoint)",
    "speech": f"folder of SpeechTokenizer (default {SPEECH} in the checkpoint)",
}

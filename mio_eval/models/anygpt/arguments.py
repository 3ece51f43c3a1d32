"""What `--model-args` takes for `anygpt`; imported for the list of models, so it imports nothing.

Folders and files have the names of the release's README (OpenMOSS/AnyGPT, "Model Weights").
"""

from __future__ import annotations

from collections.abc import Mapping

IMAGES, PAINTER = "seed-tokenizer-2", "stable-diffusion-2-1-unclip"
SPEECH, SPEECH_WEIGHTS = "speechtokenizer", "ckpt.dev"
SOUNDSTORM = "soundstorm/speechtokenizer_soundstorm_mls.pt"

ARGUMENTS: Mapping[str, str] = {
    "pretrained": "folder or hub id of the language model (fnlp/AnyGPT-base, fnlp/AnyGPT-chat)",
    "revision": "hub revision (default: the newest, recorded as its commit)",
    "variant": "base, chat or auto (auto: chat where the name says so)",
    "instruction": "of the Base model, in place of the first of the release's pool",
    "decoding": "task (the task's settings), paper (Table 9) or release (config/*.json)",
    "dtype": "of the language model: float32, float16, bfloat16 (default: the checkpoint's)",
    "image_dtype": "of the image tokenizer (default float32; float16 as released)",
    "painter_dtype": "of unCLIP (default float32; float16 as released)",
    "device": "cpu, cuda, cuda:1, mps … (default: cuda where there is one)",
    "media_device": "of the media tokenizers, unCLIP and SoundStorm (default: device)",
    "device_map": "spread the language model over devices, as transformers' device_map",
    "attn": "attention of the language model: sdpa, eager, flash_attention_2",
    "resize": "bicubic (default, as released) or bilinear",
    "steps": "denoising steps of unCLIP (default 20)",
    "guidance": "guidance scale of unCLIP (default 10)",
    "latent_seed": "seed of the latent every image starts from (default 0; the release has none)",
    "vc_steps": "rounds in which SoundStorm fills in the first acoustic level (default 3)",
    "vc": "greedy (default, as released) or sampled: how SoundStorm ends a level",
    "models": "folder that holds the parts below (default: pretrained)",
    "images": f"folder of the image tokenizer (default {IMAGES} in models)",
    "painter": f"folder of Stable unCLIP (default {PAINTER} in models)",
    "speech": f"folder of SpeechTokenizer: config.json, {SPEECH_WEIGHTS} (default {SPEECH})",
    "soundstorm": f"file of SoundStorm (default {SOUNDSTORM})",
}

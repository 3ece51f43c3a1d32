"""What `--model-args` takes for `anygpt`; imported for the list of models, so it imports nothing.

Folders and files have the names of the release's README (OpenMOSS/AnyGPT, "Model Weights").
"""

from __future__ import annotations

from collections.abc import Mapping

from ..token_llm.arguments import IMAGES, LOADING, PAINTER, PAINTING

SPEECH, SPEECH_WEIGHTS = "speechtokenizer", "ckpt.dev"
SOUNDSTORM = "soundstorm/speechtokenizer_soundstorm_mls.pt"
PLACES: Mapping[str, str] = {
    "images": IMAGES,
    "painter": PAINTER,
    "speech": SPEECH,
    "soundstorm": SOUNDSTORM,
}

ARGUMENTS: Mapping[str, str] = {
    "pretrained": "folder or hub id of the language model (fnlp/AnyGPT-base, fnlp/AnyGPT-chat)",
    "revision": "hub revision (default: the newest, recorded as its commit)",
    "variant": "base, chat or auto (auto: chat where the name says so)",
    "instruction": "of the Base model, in place of the first of the release's pool",
    "decoding": "task (the task's settings), paper (Table 9) or release (config/*.json)",
    **LOADING,
    "media_device": "of the media tokenizers, unCLIP and SoundStorm (default: device)",
    "resize": "bicubic (default, as released) or bilinear",
    **PAINTING,
    "vc_steps": "rounds in which SoundStorm fills in the first acoustic level (default 3)",
    "vc": "greedy (default, as released) or sampled: how SoundStorm ends a level",
    "models": "folder that holds the parts below (default: pretrained)",
    "images": f"folder of the image tokenizer (default {IMAGES} in models)",
    "painter": f"folder of Stable unCLIP (default {PAINTER} in models)",
    "speech": f"folder of SpeechTokenizer: config.json, {SPEECH_WEIGHTS} (default {SPEECH})",
    "soundstorm": f"file of SoundStorm (default {SOUNDSTORM})",
}

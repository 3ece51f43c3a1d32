"""What `--model-args` takes for `mio`; imported for the list of models, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ..token_llm.arguments import IMAGES, LOADING, PAINTER, PAINTING

SPEECH = "SpeechTokenizer"
PLACES: Mapping[str, str] = {"images": IMAGES, "painter": PAINTER, "speech": SPEECH}

ARGUMENTS: Mapping[str, str] = {
    "pretrained": "folder or hub id of a release (m-a-p/MIO-7B-Instruct, m-a-p/MIO-7B-Base)",
    "revision": "hub revision (default: the newest, recorded as its commit)",
    "variant": "instruct, base or auto (auto: base where the name says so)",
    "decoding": "task (the task's settings), paper (Table 11) or release (infer.py)",
    **LOADING,
    "resize": "bilinear (as released) or bicubic (as SEED's own evaluation and LIME)",
    "system": "system prompt: auto (voice for speech, else std), std, voice, none",
    "indent": "on: 8 spaces before each line of the chat format, as in LIME's run (default off)",
    **PAINTING,
    "images": f"folder of the image tokenizer (default {IMAGES} in the checkpoint)",
    "painter": f"folder of Stable unCLIP (default {PAINTER} in the checkpoint)",
    "speech": f"folder of SpeechTokenizer (default {SPEECH} in the checkpoint)",
}

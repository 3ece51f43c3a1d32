"""A task's generation settings as transformers' GenerationConfig, and seeds per request.

The task decides how is generated, and nothing else does. What it leaves out has the neutral value
below, not the one that the checkpoint's generation_config.json (temperature, top_k, repetition
penalty …) or transformers would put there. Of the checkpoint's file only token ids are kept: which
token ends a text, and which may not come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...types import Json, Request

MAX_NEW_TOKENS = 256  # when a task states none, as in lm-eval
NEUTRAL: dict[str, Json] = {
    "max_new_tokens": MAX_NEW_TOKENS,
    "min_new_tokens": None,
    "num_beams": 1,
    "do_sample": False,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "early_stopping": False,
}
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p")
_NOT_OURS = ("frames", "stop")  # settings that are no matter of token choice
TOKEN_IDS = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
)


def arguments(settings: Mapping[str, Json]) -> dict[str, Json]:
    """Return every generation argument, explicitly. Raises ValueError for one it does not know.

    A temperature of 0 means greedy; sampling arguments without sampling are left out.
    """
    given = {k: v for k, v in settings.items() if k not in _NOT_OURS and v is not None}
    if strange := sorted(given.keys() - NEUTRAL.keys()):
        raise ValueError(
            f"generation setting {', '.join(strange)} is not one of {', '.join(NEUTRAL)}, stop"
        )
    found = {**NEUTRAL, **given}
    if "do_sample" not in given:
        found["do_sample"] = given.get("temperature", 0) > 0
    if found["temperature"] == 0:
        found["do_sample"] = False
    if not found["do_sample"]:
        for name in _SAMPLING:
            del found[name]
    return {name: value for name, value in found.items() if value is not None}


def stops(settings: Mapping[str, Json]) -> list[str]:
    """Return the strings that end an answer."""
    stop = settings.get("stop") or []
    return [stop] if isinstance(stop, str) else [text for text in stop if text]


def request_seed(request: Request) -> int:
    """Return a request's own seed: of the run's seed and the request's content, not its batch."""
    text = f"{request.seed}:{request.key or request.sample_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def strip_model_defaults(model: Any, tokenizer: Any) -> dict[str, Json]:
    """Leave only token ids in the generation configs of a model and of the models inside it.

    Returns what the model's own one said beside them, where it differs from what is neutral.
    """
    from transformers import GenerationConfig

    said = getattr(model, "generation_config", None)
    ignored = {
        name: value
        for name, neutral in {**NEUTRAL, "max_new_tokens": None}.items()
        if (value := getattr(said, name, None)) not in (None, neutral)
    }
    for module in model.modules():
        own = getattr(module, "generation_config", None)
        if not isinstance(own, GenerationConfig):
            continue
        kept = {name: getattr(own, name, None) for name in TOKEN_IDS}
        clean = GenerationConfig(**{name: v for name, v in kept.items() if v is not None})
        if clean.eos_token_id is None:
            clean.eos_token_id = tokenizer.eos_token_id
        if clean.pad_token_id is None:
            clean.pad_token_id = tokenizer.pad_token_id
        module.generation_config = clean
    return ignored

"""Decoding settings of AnyGPT by output modality: the paper's and the release's.

`paper` is Table 9 of arXiv 2402.12226v5. `release` is what `config/*.json` says, with transformers'
default top_k of 50, which the release's GenerationConfig has where the file names none.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...types import Json, Modality
from ..token_llm.presets import decide

_PAPER_TEXT: dict[str, Json] = {"num_beams": 5, "do_sample": False, "repetition_penalty": 1.0}
_NUCLEUS: dict[str, Json] = {
    "num_beams": 1,
    "do_sample": True,
    "top_p": 0.7,
    "temperature": 1.0,
    "repetition_penalty": 1.0,
}
_DRAWN: dict[str, Json] = {
    "num_beams": 1,
    "do_sample": True,
    "top_p": 1.0,
    "top_k": 50,
    "temperature": 1.0,
    "repetition_penalty": 1.0,
    "min_new_tokens": 10,
}
PAPER: Mapping[Modality, Mapping[str, Json]] = {
    "text": _PAPER_TEXT,
    "image": _NUCLEUS,
    "audio": _NUCLEUS,
}
BASE_RELEASE: Mapping[Modality, Mapping[str, Json]] = {
    "text": {**_DRAWN, "max_new_tokens": 100},
    "image": {**_DRAWN, "max_new_tokens": 200},
    "audio": {**_DRAWN, "repetition_penalty": 1.05, "max_new_tokens": 1500},
}
# For text the chat program reads generate_config.json, the base program text_generate_config.json.
CHAT_RELEASE: Mapping[Modality, Mapping[str, Json]] = {
    **BASE_RELEASE,
    "text": {**_DRAWN, "num_beams": 5, "max_new_tokens": 500},
}
MAX_NEW_TOKENS: Mapping[Modality, int] = {"text": 256, "image": 64, "audio": 1500}


def settings(
    preset: str, want: Modality, given: Mapping[str, Json], *, chat: bool = False
) -> dict[str, Json]:
    """Return generation settings: the task's, with the preset's in their place when one is named.

    `paper` leaves max_new_tokens to the task, `release` states its own.
    """
    tables = {"paper": PAPER, "release": CHAT_RELEASE if chat else BASE_RELEASE}
    named = None if preset == "task" else tables[preset][want]
    return decide(given, named, MAX_NEW_TOKENS[want])

"""Decoding settings of MIO by output modality: the paper's and the release's.

`paper` is Table 11 of arXiv 2409.17692v4; `release` what the comments of `infer.py` call best. They
differ for images. Both leave `max_new_tokens` to the task.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...types import Json, Modality
from ..token_llm.presets import decide

TEXT: dict[str, Json] = {"num_beams": 5, "do_sample": False, "repetition_penalty": 1.0}
SAMPLED: dict[str, Json] = {"num_beams": 1, "do_sample": True, "top_p": 0.7, "temperature": 1.0}
PRESETS: Mapping[str, Mapping[Modality, Mapping[str, Json]]] = {
    "paper": {
        "text": TEXT,
        "image": {**SAMPLED, "repetition_penalty": 1.0},
        "audio": {**SAMPLED, "repetition_penalty": 1.15},
    },
    "release": {
        "text": TEXT,
        "image": {"num_beams": 5, "do_sample": False, "repetition_penalty": 1.15},
        "audio": {**SAMPLED, "repetition_penalty": 1.15},
    },
}
STEPS_A_SECOND = 50
SPEECH_SECONDS = 15  # the longest speech MIO was trained on (App. A)
MAX_NEW_TOKENS: Mapping[Modality, int] = {
    "text": 256,
    "image": 64,  # 34, with room for words before
    "audio": 4 * STEPS_A_SECOND * SPEECH_SECONDS + 8,
}


def settings(preset: str, want: Modality, given: Mapping[str, Json]) -> dict[str, Json]:
    """Return generation settings: the task's, with the preset's in their place when one is named.

    Args:
        preset: task, paper or release.
        want: the output modality.
        given: the task's settings.
    """
    named = None if preset == "task" else PRESETS[preset][want]
    return decide(given, named, MAX_NEW_TOKENS[want])

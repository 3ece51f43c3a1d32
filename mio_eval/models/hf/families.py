"""The kinds of model the `hf` backend knows, and how one is chosen for a checkpoint."""

from __future__ import annotations

from importlib import import_module

from ...errors import UsageError, unknown
from .family import Checkpoint, Family

_HERE = "mio_eval.models.hf"

# In the order they are asked whether a checkpoint is theirs; `causal`, the widest, last.
FAMILIES = {
    "t2i": f"{_HERE}.text_to_image:Diffusers",
    "omni": f"{_HERE}.omni:Omni",
    "speech-llm": f"{_HERE}.chat:SpeechChat",
    "asr": f"{_HERE}.speech_recognition:SpeechRecognition",
    "ctc": f"{_HERE}.speech_recognition:CTC",
    "tts": f"{_HERE}.text_to_speech:TextToSpeech",
    "t2i-tokens": f"{_HERE}.text_to_image:TokenImages",
    "vlm": f"{_HERE}.chat:VisionChat",
    "causal": f"{_HERE}.causal:Causal",
}


def family_class(kind: str) -> type[Family]:
    """Import the family called `kind`. Raises UsageError for an unknown one."""
    if kind not in FAMILIES:
        raise unknown("kind of model hf", kind, FAMILIES)
    module, _, name = FAMILIES[kind].partition(":")
    found: type[Family] = getattr(import_module(module), name)
    return found


def choose_family(checkpoint: Checkpoint, kind: str = "") -> type[Family]:
    """Return the family of a checkpoint, by its config or as asked. Raises UsageError."""
    if kind:
        return family_class(kind)
    for name in FAMILIES:
        family = family_class(name)
        if family.matches(checkpoint):
            return family
    what = ", ".join(checkpoint.architectures) or checkpoint.model_type or "nothing"
    raise UsageError(
        f"model hf: {checkpoint.pretrained} is {what}, which none of the kinds "
        f"{', '.join(FAMILIES)} takes by itself; name one with kind=…, if one fits"
    )

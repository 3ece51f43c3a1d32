"""All tiny checkpoints by name: real architectures and processors, random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.hf.tiny_base import CHAT, SIZE
from models.hf.tiny_blip import blip2, instructblip, kosmos2
from models.hf.tiny_llava import (
    idefics2,
    llama,
    llava,
    llava_chat,
    llava_next,
    llava_onevision,
    qwen2,
    smolvlm,
)
from models.hf.tiny_qwen import qwen2_5_omni, qwen2_5_vl, qwen2_audio, qwen2_vl, qwen3_vl

__all__ = ["BUILDERS", "CHAT", "SIZE", "llama", "llava"]

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "llama": llama,
    "qwen2": qwen2,
    "llava": llava,
    "llava_chat": llava_chat,
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "blip2": blip2,
    "instructblip": instructblip,
    "kosmos2": kosmos2,
    "idefics2": idefics2,
    "smolvlm": smolvlm,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "qwen2_audio": qwen2_audio,
    "qwen2_5_omni": qwen2_5_omni,
}

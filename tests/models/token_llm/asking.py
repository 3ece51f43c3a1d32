"""How tests ask a released system: small ones of each, and parts to ask with."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from models.anygpt.release import write_release as write_anygpt
from models.mio.release import write_release as write_mio
from PIL import Image as Pillow
from reference.speech_tokenizer import wave

from mio_eval.models import create_model
from mio_eval.models.hf.settings import request_seed
from mio_eval.models.token_llm.backend import TokenLlm
from mio_eval.types import Audio, Image, Part, Request

SEED = request_seed(Request("1", (), "text", {}, 0, "key"))
"""Of what `ask` asks."""

WRITERS: dict[str, Callable[..., Path]] = {"mio": write_mio, "anygpt": write_anygpt}
"""A system's name → what writes a small release of it into a folder."""


def loaded(name: str, release: Path) -> Any:
    """Make a backend that paints in two steps, and load all of it."""
    backend = create_model(name, {"pretrained": str(release), "steps": "2"})
    backend.load(("text", "image", "audio"), "audio")
    backend.load((), "image")
    return backend


def ask(backend: TokenLlm, want: str, *parts: Part, **settings: object) -> Any:
    """Return the one answer to parts."""
    request = Request("1", parts, want, {"max_new_tokens": 100, **settings}, 0, "key")
    (response,) = backend.generate([request])
    assert response.failure is None, response.failure
    return response.output


def picture() -> Image:
    """Noise."""
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(noise).save(stream, "PNG")
    return Image(load=stream.getvalue, name="x.png")


def sound() -> Audio:
    """Half a second at the tokenizers' rate."""
    stream = io.BytesIO()
    soundfile.write(stream, wave(8000), 16000, format="WAV", subtype="FLOAT")
    return Audio(load=stream.getvalue, name="x.wav")

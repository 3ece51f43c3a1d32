"""Sounds in and out of the hf backend: what a request holds, and WAV files of what a model says."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...media.decode import load_audio
from ...types import Audio, Request

Wave: TypeAlias = NDArray[np.float32]


def sound_of(request: Request, kind: str) -> Audio:
    """Return a request's one sound. Raises ValueError when it holds another number of them."""
    sounds = [part for part in request.parts if isinstance(part, Audio)]
    if len(sounds) != 1:
        raise ValueError(f"a model of kind {kind} hears one sound a request, got {len(sounds)}")
    return sounds[0]


def hear(request: Request, rate: int, kind: str) -> Wave:
    """Decode a request's sound: mono float32 (n,) at `rate` Hz.

    Raises DecodeError for a damaged or empty sound, OSError for a missing file.
    """
    wave: Wave = load_audio(sound_of(request, kind), rate)
    return wave


def wav_file(samples: Any, rate: int) -> Audio:
    """Put generated samples into a WAV file, mono, 16 bits; what lies outside ±1 clips.

    Args:
        samples: a torch tensor or array of (n,), or with further axes of length one.
        rate: samples per second.

    Raises:
        ValueError: there are no samples, several channels, or samples that are not finite.
    """
    import soundfile

    if hasattr(samples, "detach"):
        samples = samples.detach().to(device="cpu").float().numpy()
    wave: Wave = np.asarray(samples, dtype=np.float32)
    if wave.size == 0:
        raise ValueError("the model spoke no samples")
    if wave.size != max(wave.shape, default=0):
        raise ValueError(f"expected one channel of samples, the model gave shape {wave.shape}")
    wave = wave.reshape(-1)
    if not np.isfinite(wave).all():
        raise ValueError("the model's samples are not finite (nan or infinity)")
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(wave, -1.0, 1.0), rate, format="WAV", subtype="PCM_16")
    data = stream.getvalue()
    return Audio(load=lambda: data, name="speech.wav")

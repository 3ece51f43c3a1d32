"""Voice prompts: a few seconds of a recording, cut when they are read."""

from __future__ import annotations

import hashlib
import io
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..media.decode import DecodeError
from ..types import Audio

SECONDS = 3.0  # AnyGPT's length


def voice_clip(path: Path, seconds: float = SECONDS) -> Audio:
    """Return part of a recording as a 16-bit WAV, at the recording's rate and channels.

    Where it begins is drawn by the sha256 of the file's name. A shorter recording is taken whole.
    """
    return Audio(load=partial(_cut, path, seconds), name=f"{path.stem}-voice.wav")


def _cut(path: Path, seconds: float) -> bytes:
    """Cut and encode. Raises OSError for a missing file, DecodeError for a damaged one."""
    try:
        import soundfile
    except ImportError as error:
        raise UsageError("voice prompts need: pip install 'mio-eval[speech]'") from error
    data = path.read_bytes()
    try:
        wave, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DecodeError(f"{path.name}: cannot decode audio: {error}") from error
    if not len(wave):
        raise DecodeError(f"{path.name}: holds no sound")
    length = round(seconds * rate)
    drawn = int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:8])
    start = drawn % max(len(wave) - length + 1, 1)
    stream = io.BytesIO()
    soundfile.write(stream, wave[start : start + length], rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()

"""Decodes sound tracks with PyAV: of videos, and of sounds in formats that libsndfile lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..types import Media
from .container import (
    Reading,
    check_seconds,
    decoded_frames,
    opened,
    pyav,
    read_statement,
    shortfall,
    source_of,
)
from .decode import MAX_AUDIO_SECONDS, DecodeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def load_audio_track(media: Media, rate: int = 16_000) -> npt.NDArray[np.float32]:
    """Decode the sound of a video, or a compressed sound, as mono float32 at `rate` Hz.

    For what `load_audio` cannot read (m4a, aac, opus in mp4 or webm …), with the same rules:
    channels averaged, soxr's high quality resampling, shape (samples,), range about −1 to 1.
    The encoder's delay is cut off where the file states it; gaps in timestamps are not filled.

    Raises DecodeError for a file without sound, damaged, truncated, empty or over-long, OSError
    for a missing file, UsageError when PyAV or soxr is not installed.
    """
    av = pyav()
    try:
        import numpy as np
        import soxr
    except ImportError as error:
        raise UsageError("resampling needs soxr: pip install 'mio-eval[video]'") from error
    blocks: list[npt.NDArray[np.float32]] = []
    source_rate, samples = 0, 0
    found = Reading()
    with opened(source_of(media), media.name) as container:
        if not container.streams.audio:
            raise DecodeError(f"{media.name}: no sound track")
        stream = container.streams.audio[0]
        read_statement(container, stream, found)
        check_seconds(found.stated_seconds, MAX_AUDIO_SECONDS, media.name)
        to_float = av.AudioResampler(format="fltp")
        for frame in decoded_frames(container, stream, found):
            source_rate = source_rate or frame.sample_rate
            if frame.sample_rate != source_rate:
                raise DecodeError(f"{media.name}: the sample rate changes within the sound")
            for block in to_float.resample(frame):
                blocks.append(block.to_ndarray().mean(axis=0, dtype=np.float32))
                samples += len(blocks[-1])
            check_seconds(samples / source_rate, MAX_AUDIO_SECONDS, media.name)
    problem = found.problem or (shortfall(samples / source_rate, found) if samples else "")
    if problem:
        raise DecodeError(f"{media.name}: cannot decode audio: {problem}")
    if not samples:
        raise DecodeError(f"{media.name}: no samples")
    mono = np.concatenate(blocks)
    if source_rate != rate:
        mono = soxr.resample(mono, source_rate, rate, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)

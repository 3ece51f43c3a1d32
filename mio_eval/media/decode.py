"""Decodes images and sounds, strictly: what is damaged or empty is an error, not half an input."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, BinaryIO

from ..errors import UsageError
from ..types import Media
from .mpeg import samples_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

MAX_PIXELS = 100_000_000  # a larger image is refused: it would take over 300 MB once decoded
MAX_AUDIO_SECONDS = 4 * 3600
_MPEG_DELAY = 2 * 1152  # samples by which decoders of MP3 differ at the ends
_UNKNOWN_LENGTH = 0x7FFF_0000  # from here up, a WAV file written to a pipe says "unknown"


class DecodeError(Exception):
    """The bytes of a medium are damaged, empty, or over a limit.

    `unknown`: they are in no format that the decoder knows, so that another one may know it.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def load_image(media: Media) -> PIL.Image.Image:
    """Decode an image as RGB, upright (EXIF rotation applied).

    Raises DecodeError for damaged, truncated or over-large images, OSError for a missing file.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise UsageError("decoding images needs Pillow: pip install 'mio-eval[image]'") from error
    data = media.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > MAX_PIXELS:
                raise DecodeError(f"{media.name}: {image.width}×{image.height} pixels is too large")
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                # Pillow would clip 16-bit grey at 255, which leaves almost everything white.
                upright = upright.convert("I").point(lambda grey: grey / 256)
            elif upright.mode in ("I", "F"):
                # It would clip these at 255 too, and no file says where their white is.
                raise DecodeError(f"{media.name}: pixels of 32 bits; give it in 8 or 16 bits")
            return upright.convert("RGB")
    except DecodeError:
        raise
    # Pillow raises OSError, SyntaxError, ValueError, struct.error and more for damaged files.
    except Exception as error:
        raise DecodeError(f"{media.name}: cannot decode image: {error}") from error


def load_audio(media: Media, rate: int = 16_000) -> npt.NDArray[np.float32]:
    """Decode a sound as mono float32 at `rate` Hz, shape (samples,), range about −1 to 1.

    Channels are averaged; resampling is soxr's high quality. Raises DecodeError for damaged,
    truncated, empty or over-long sounds, OSError for a missing file. A cut Ogg or AIFF file cannot
    be told from a shorter whole one, nor a cut MP3 that states no length.
    """
    try:
        import numpy as np
        import soundfile
        import soxr
    except ImportError as error:
        raise UsageError("decoding audio needs: pip install 'mio-eval[speech]'") from error
    data = media.read()
    if _wav_is_cut(data):
        raise DecodeError(f"{media.name}: truncated, the file ends inside its sound")
    stream: BinaryIO = io.BytesIO(data)
    try:
        opened = soundfile.SoundFile(stream)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DecodeError(f"{media.name}: cannot decode audio: {error}", unknown=True) from error
    try:
        with opened as file:
            if file.frames > MAX_AUDIO_SECONDS * file.samplerate:
                hours = file.frames / file.samplerate / 3600
                raise DecodeError(f"{media.name}: {hours:.1f} hours of audio is too long")
            wave = file.read(dtype="float32", always_2d=True)
            source_rate, expected = file.samplerate, file.frames
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DecodeError(f"{media.name}: cannot decode audio: {error}") from error
    if (counted := samples_of(data)) is not None:
        if abs(len(wave) - counted) > _MPEG_DELAY:
            raise DecodeError(
                f"{media.name}: an MP3 that does not state its length, of which libsndfile reads "
                f"{len(wave)} of {counted} samples; convert it to WAV or FLAC",
                unknown=True,
            )
    # libsndfile gives what it could read of a truncated file, without an error.
    elif len(wave) != expected:
        raise DecodeError(f"{media.name}: truncated, {len(wave)} of {expected} frames")
    if not len(wave):
        raise DecodeError(f"{media.name}: no samples")
    mono = wave.mean(axis=1, dtype=np.float32)
    if source_rate != rate:
        mono = soxr.resample(mono, source_rate, rate, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)


def _wav_is_cut(data: bytes) -> bool:
    """Tell whether a WAV file promises more sound than it holds; libsndfile reads on in silence."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return False
    at = 12
    while at + 8 <= len(data):
        name: bytes = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return size < _UNKNOWN_LENGTH and at + 8 + size > len(data)
        at += 8 + size + size % 2
    return False

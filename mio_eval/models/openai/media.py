"""Media on the wire: inputs as the API takes them, outputs checked before they are kept."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...media.decode import DecodeError, load_audio, load_image
from ...media.frames import parse_policy
from ...types import Audio, Image, Json, Media, Video
from .faults import Fault
from .options import Options

MAX_OUTPUT_BYTES = 256 * 2**20
_FRAME_QUALITY = 95  # of JPEG, for the frames of a video
_ROTATION = 0x0112  # EXIF's orientation


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a multipart form."""

    name: str
    data: bytes
    mime: str


def content_parts(part: Media, options: Options, settings: Json) -> list[Json]:
    """Encode a medium as content parts of a chat message.

    Raises DecodeError for damaged media, OSError for missing ones.
    """
    if isinstance(part, Image):
        return [_image_part(_image_url(part, options), options)]
    if isinstance(part, Audio):
        if options.media == "url" and part.path is not None:
            return [{"type": "audio_url", "audio_url": {"url": file_url(part.path)}}]
        upload = audio_upload(part, ("wav", "mp3"))
        data = base64.b64encode(upload.data).decode()
        suffix = upload.name.rpartition(".")[2]
        return [{"type": "input_audio", "input_audio": {"data": data, "format": suffix}}]
    assert isinstance(part, Video)
    if options.video == "file":
        return [{"type": "video_url", "video_url": {"url": _video_url(part, options)}}]
    policy = parse_policy(str(settings.get("frames") or options.frames))
    return [_image_part(url, options) for url in _frame_urls(part, policy.signature)]


def _image_part(url: str, options: Options) -> Json:
    image: dict[str, Json] = {"url": url}
    if options.detail:
        image["detail"] = options.detail
    return {"type": "image_url", "image_url": image}


def _image_url(part: Image, options: Options) -> str:
    """Give an image as it is where every server reads it so, else as an upright PNG."""
    picture = load_image(part)  # also refuses what is damaged
    if options.media == "url" and part.path is not None:
        return file_url(part.path)
    data = part.read()
    kind = image_kind(data)
    if kind in ("png", "jpeg", "webp") and not _turned(data):
        return data_url(f"image/{kind}", data)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return data_url("image/png", stream.getvalue())


def _turned(data: bytes) -> bool:
    """Tell whether a file relies on its viewer to turn it, or has 16 bits a channel."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(data)) as image:
        return image.getexif().get(_ROTATION, 1) != 1 or image.mode.startswith("I")


def _frame_urls(part: Video, policy: str) -> list[str]:
    from ...media.video import load_frames

    urls = []
    for picture in load_frames(part, parse_policy(policy)).images:
        stream = io.BytesIO()
        picture.convert("RGB").save(stream, "JPEG", quality=_FRAME_QUALITY)
        urls.append(data_url("image/jpeg", stream.getvalue()))
    return urls


def _video_url(part: Video, options: Options) -> str:
    if options.media == "url" and part.path is not None:
        return file_url(part.path)
    suffix = Path(part.name).suffix.lower()
    mime = {".webm": "video/webm", ".mkv": "video/x-matroska", ".avi": "video/x-msvideo"}
    return data_url(mime.get(suffix, "video/mp4"), part.read())


def audio_upload(part: Audio, known: tuple[str, ...]) -> Upload:
    """Give a sound as it is where its format is `known`, else as 16-bit mono WAV at its own rate.

    Raises DecodeError for damaged sounds, OSError for missing ones.
    """
    data = part.read()
    kind = audio_kind(data)
    if kind in known:
        load_audio(part)  # refuses what is damaged
        return Upload(f"audio.{kind}", data, f"audio/{'mpeg' if kind == 'mp3' else kind}")
    try:
        import soundfile
    except ImportError as error:
        raise UsageError("sending audio needs: pip install 'mio-eval[speech]'") from error
    try:
        rate = soundfile.info(io.BytesIO(data)).samplerate
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DecodeError(f"{part.name}: cannot decode audio: {error}") from error
    stream = io.BytesIO()
    soundfile.write(stream, load_audio(part, rate), rate, format="WAV", subtype="PCM_16")
    return Upload("audio.wav", stream.getvalue(), "audio/wav")


def file_url(path: Path) -> str:
    """Name a local file, for a server on the same machine that may read it."""
    return path.resolve().as_uri()


def data_url(mime: str, data: bytes) -> str:
    """Put bytes into a data URL."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def image_kind(data: bytes) -> str:
    """Name an image's format by its first bytes; "" when it is none of the web's."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def audio_kind(data: bytes) -> str:
    """Name a sound's format by its first bytes; "" when it is none that servers take."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    # A frame of MPEG audio starts with eleven set bits; layer III is 01.
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return "mp3" if data[:3] == b"ID3" or frame else ""


def decoded(text: object, what: str) -> bytes:
    """Decode base64 of an answer. Raises Fault when it is none, or too much."""
    if not isinstance(text, str) or not text:
        raise Fault("BadResponse", f"the server gave no {what}", retry=True)
    if len(text) > MAX_OUTPUT_BYTES * 4 // 3:
        raise Fault("TooLarge", f"{what} of over {MAX_OUTPUT_BYTES >> 20} MiB")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault("BadResponse", f"{what} is no base64: {error}", retry=True) from error


def checked_image(data: bytes) -> Image:
    """Take a generated image that really is one, as PNG unless it is JPEG or WebP.

    Raises Fault for anything else.
    """
    try:
        picture = load_image(Image(load=lambda: data, name="the generated image"))
    except DecodeError as error:
        raise Fault("BadImage", str(error)) from error
    kind = image_kind(data)
    if kind:
        return Image(load=lambda: data, name=f"image.{'jpg' if kind == 'jpeg' else kind}")
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    png = stream.getvalue()
    return Image(load=lambda: png, name="image.png")


def checked_audio(data: bytes) -> Audio:
    """Take generated sound that really is one. Raises Fault for anything else."""
    kind = audio_kind(data)
    if not kind:
        raise Fault("BadAudio", f"the generated sound is no WAV, FLAC, MP3 or Ogg: {data[:8]!r}")
    part = Audio(load=lambda: data, name=f"speech.{kind}")
    try:
        load_audio(part)
    except DecodeError as error:
        raise Fault("BadAudio", str(error)) from error
    return part

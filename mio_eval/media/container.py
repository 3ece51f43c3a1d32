"""Reads media files with PyAV, strictly: damage is noted, never skipped."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..types import Media
from .decode import DecodeError

# A tail may miss this much before a file counts as truncated: headers are often off by a little.
_TAIL_SECONDS, _TAIL_SHARE = 0.5, 0.05
_STATES_DURATION = {"mov", "matroska", "avi", "flv", "asf"}  # others estimate it
# Nothing that opens further files or addresses (playlists, concat scripts, devices).
_SINGLE_FILES = {
    "format_whitelist": "mov,matroska,avi,flv,asf,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,"
    "gif,apng,mjpeg,dv,rm,ogg,mp3,aac,ac3,eac3,flac,wav,w64,aiff,au,amr,amrnb,amrwb,caf,ape,wv,tta"
}
_CLOCK = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)  # Matroska's way


@dataclass(slots=True)
class Reading:
    """What the header of a stream states, and why reading the stream ended early, if it did.

    Args:
        rate: average frames a second; 0 if not stated.
        stated_seconds: duration; 0 if not stated, or stated by formats that guess it.
        stated_frames: number of frames; 0 in the same cases.
        ends_early: the index points beyond the end of the file.
        problem: what ended the reading, in a few words, or "".
    """

    rate: float = 0.0
    stated_seconds: float = 0.0
    stated_frames: int = 0
    ends_early: bool = False
    problem: str = ""


def pyav() -> Any:
    """Import PyAV. Raises UsageError when it is not installed."""
    try:
        return import_module("av")
    except ImportError as error:
        raise UsageError(
            "decoding videos and sound tracks needs PyAV: pip install 'mio-eval[video]'"
        ) from error


def source_of(media: Media) -> Path | bytes:
    """Return what `opened` takes: the path of a medium, or its bytes where it has none."""
    return media.path if media.path is not None else media.read()


@contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[Any]:
    """Open a file through a stream of ours: a path is never read as an address or a pattern.

    Raises DecodeError when it cannot be opened, or read within the block; OSError for a missing
    file.
    """
    av = pyav()
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
        try:
            container = av.open(stream, metadata_errors="replace", options=_SINGLE_FILES)
        except (av.FFmpegError, ValueError) as error:
            raise DecodeError(f"{name}: cannot open: {_said(error)}") from error
        try:
            with container:
                yield container
        except (av.FFmpegError, ValueError) as error:
            raise DecodeError(f"{name}: cannot decode: {_said(error)}") from error


def read_statement(container: Any, stream: Any, found: Reading) -> None:
    """Note what the header states about a stream: frame rate, frames, seconds."""
    found.rate = float(getattr(stream, "average_rate", None) or 0)
    formats = set(container.format.name.split(","))
    if not formats & _STATES_DURATION:
        return
    found.stated_frames = stream.frames
    if "mov" in formats and (entries := stream.index_entries):
        found.ends_early = any(entry.pos + entry.size > container.size for entry in entries)
        return  # edit lists may rightly show less than the stated duration
    if stream.duration and stream.time_base:
        found.stated_seconds = float(stream.duration * stream.time_base)
    elif match := _CLOCK.fullmatch(stream.metadata.get("DURATION", "")):
        found.stated_seconds = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    elif len(container.streams) == 1 and container.duration:
        found.stated_seconds = container.duration / 1_000_000
    # AVI files shorten the duration to what is there, and keep the number of frames.
    if found.rate and stream.type == "video":
        found.stated_seconds = max(found.stated_seconds, found.stated_frames / found.rate)


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream, undecoded, in the order of the file."""
    # Where a stream appears on the way (FLV, TS), PyAV (18.1) runs past its list at the very end.
    with suppress(IndexError):
        yield from container.demux(stream)


def decoded_frames(container: Any, stream: Any, found: Reading) -> Iterator[Any]:
    """Yield decoded frames in display order up to the first damage, noted as `found.problem`."""
    av = pyav()
    if stream.codec_context is None:
        found.problem = "unknown codec"
        return
    try:
        for packet in packets(container, stream):
            if packet.is_corrupt:
                found.problem = "a packet is cut off or damaged"
                break
            if not packet.size and packet.dts is not None:
                continue  # AVI's way to say: the last picture stays
            for frame in packet.decode():
                if frame.is_corrupt:
                    found.problem = "a frame is damaged"
                    return
                yield frame
        else:
            return
    except av.FFmpegError as error:
        found.problem = _said(error)
    with suppress(av.FFmpegError):  # what is still in the decoder came before the damage
        yield from stream.codec_context.decode(None)


def shortfall(seconds: float, found: Reading) -> str:
    """Say what is missing of the stated duration, or "" when that is little."""
    if found.ends_early:
        return "the file ends early"
    missing = found.stated_seconds - seconds
    if missing <= max(_TAIL_SECONDS, _TAIL_SHARE * found.stated_seconds):
        return ""
    return f"{seconds:.1f} of {found.stated_seconds:.1f} seconds are there"


def check_seconds(seconds: float, limit: int, name: str) -> None:
    """Refuse what is longer than `limit` seconds. Raises DecodeError."""
    if seconds > limit:
        raise DecodeError(f"{name}: over {limit / 3600:g} hours is too long")


def _said(error: Exception) -> str:
    """Take the plain words out of an FFmpeg error."""
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__

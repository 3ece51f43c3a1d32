"""Decodes videos and sound tracks with PyAV, strictly and within limits.

Frames are counted by decoding them, once where the packets foretell the wanted ones, else twice;
only wanted frames are converted and kept.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..types import Json, Media
from .decode import MAX_AUDIO_SECONDS, MAX_PIXELS, DecodeError
from .frames import FramePolicy, SceneCutter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

MAX_VIDEO_SECONDS = 4 * 3600
MAX_VIDEO_FRAMES = 1_000_000  # four hours at 60 frames a second are 864,000
MAX_KEPT_PIXELS = 1_000_000_000  # over all kept frames together: 3 GB of RGB

# A tail may miss this much before a file counts as truncated: headers are often off by a little.
_TAIL_SECONDS, _TAIL_SHARE = 0.5, 0.05
_STATES_DURATION = {"mov", "matroska", "avi", "flv", "asf"}  # others estimate it
# Nothing that opens further files or addresses (playlists, concat scripts, devices).
_SINGLE_FILES = {
    "format_whitelist": "mov,matroska,avi,flv,asf,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,"
    "gif,apng,mjpeg,dv,rm,ogg,mp3,aac,ac3,eac3,flac,wav,w64,aiff,au,amr,amrnb,amrwb,caf,ape,wv,tta"
}
# Where a display matrix sends right (a, b) and down (c, d), and what makes such a frame upright.
_TURNS = {
    (0, 1, -1, 0): "ROTATE_270",
    (-1, 0, 0, -1): "ROTATE_180",
    (0, -1, 1, 0): "ROTATE_90",
    (-1, 0, 0, 1): "FLIP_LEFT_RIGHT",
    (1, 0, 0, -1): "FLIP_TOP_BOTTOM",
    (0, 1, 1, 0): "TRANSPOSE",
    (0, -1, -1, 0): "TRANSVERSE",
}
_CLOCK = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)  # Matroska's way
_SIDEWAYS = {"ROTATE_270", "ROTATE_90", "TRANSPOSE", "TRANSVERSE"}


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a video that a policy picked.

    Args:
        images: RGB, upright, in the order of `indices`.
        indices: which frames, counted from 0 in display order; a policy may repeat one.
        times: seconds from the first frame of the video, one per image.
        total: frames in the video.
        fps: average frames a second of the video.
        policy: the signature of the policy.
    """

    images: list[PIL.Image.Image]
    indices: list[int]
    times: list[float]
    total: int
    fps: float
    policy: str

    def to_json(self) -> Json:
        """Say which frames these are, for the details of a response."""
        return {"policy": self.policy, "indices": list(self.indices), "total": self.total}


@dataclass(slots=True)
class _Pass:
    """What one reading of a video found. `problem` says why it ended early, if it did."""

    stamps: list[float | None] = field(default_factory=list)
    images: dict[int, PIL.Image.Image] = field(default_factory=dict)
    rate: float = 0.0
    stated_seconds: float = 0.0
    stated_frames: int = 0
    ends_early: bool = False  # the index points beyond the end of the file
    problem: str = ""
    span: float = 0.0  # seconds from the start of the first frame to the end of the last
    end: float = 0.0  # end of the last frame on the file's own clock, seconds

    def add_stamp(self, frame: Any, time_base: Fraction) -> None:
        """Note the presentation time of the next decoded frame."""
        self.stamps.append(None if frame.pts is None else float(frame.pts * time_base))
        if frame.pts is not None:
            self.end = max(self.end, float((frame.pts + (frame.duration or 0)) * time_base))
            self.span = max(self.span, self.end - (self.stamps[0] or 0.0))

    @property
    def fps(self) -> float:
        """Average frames a second: the container's, or measured where it states none."""
        known = [stamp for stamp in self.stamps if stamp is not None]
        span = max(known) - min(known) if known else 0.0
        return self.rate or ((len(known) - 1) / span if span > 0 else 25.0)

    @property
    def times(self) -> list[float]:
        """Seconds from the first frame, never decreasing; by frame number without stamps."""
        known = [stamp for stamp in self.stamps if stamp is not None]
        if len(known) < len(self.stamps):
            seconds = 1 / self.fps
            return [index * seconds for index in range(len(self.stamps))]
        return list(accumulate((stamp - known[0] for stamp in known), max))


def load_frames(media: Media, policy: FramePolicy) -> Frames:
    """Decode the frames of a video that `policy` picks.

    Indices count decoded frames in display order, whatever the header says. Rotation and
    mirroring stated by the file are applied; pixels are not stretched to a stated aspect ratio,
    and interlaced frames stay as they are.

    Raises DecodeError for a file that is damaged, without frames or over a limit, also for one
    that ends early, unless every wanted frame came before; OSError for a missing file; UsageError
    when PyAV, Pillow or (for mio-scenes) PySceneDetect is not installed.
    """
    source, name = _source(media), media.name
    cutter = SceneCutter() if policy.reads_pixels else None
    guess: list[int] = []
    if not cutter:
        scan = _scan(source, name)
        guess = policy.indices(scan.times, scan.fps) if scan.stamps else []
    found, threads = _decode(source, name, guess, cutter=cutter), "AUTO"
    if found.problem and not cutter:
        # With several threads, frames after the damage may come before the error is known.
        threads = "NONE"
        found = _decode(source, name, guess, threads=threads)
    count, fps, times = len(found.stamps), found.fps, found.times
    problem = found.problem or _shortfall(max(found.span, found.end), found)
    if not count:
        raise DecodeError(f"{name}: no decodable frame" + (f" ({problem})" if problem else ""))
    if problem:
        stated = min(max(found.stated_frames, found.stated_seconds * fps), MAX_VIDEO_FRAMES)
        times += [times[-1] + more / fps for more in range(1, round(stated) - count + 1)]
    wanted = policy.indices(times, fps, cutter.cuts if cutter else ())
    if problem and (cutter or len(times) == count or max(wanted) >= count):
        raise DecodeError(f"{name}: damaged or truncated after {count} frames: {problem}")
    images = found.images
    if not images.keys() >= set(wanted):
        images = _decode(source, name, wanted, threads=threads, stop=max(wanted)).images
    if not images.keys() >= set(wanted):
        raise DecodeError(f"{name}: frames decode differently each time")
    return Frames(
        images=[images[index] for index in wanted],
        indices=wanted,
        times=[times[index] for index in wanted],
        total=len(times),
        fps=fps,
        policy=policy.signature,
    )


def load_audio_track(media: Media, rate: int = 16_000) -> npt.NDArray[np.float32]:
    """Decode the sound of a video, or a compressed sound, as mono float32 at `rate` Hz.

    For what `load_audio` cannot read (m4a, aac, opus in mp4 or webm …), with the same rules:
    channels averaged, soxr's high quality resampling, shape (samples,), range about −1 to 1.
    The encoder's delay is cut off where the file states it; gaps in timestamps are not filled.

    Raises DecodeError for a file without sound, damaged, truncated, empty or over-long, OSError
    for a missing file, UsageError when PyAV or soxr is not installed.
    """
    av = _pyav()
    try:
        import numpy as np
        import soxr
    except ImportError as error:
        raise UsageError("resampling needs soxr: pip install 'mio-eval[video]'") from error
    blocks: list[npt.NDArray[np.float32]] = []
    source_rate, samples = 0, 0
    found = _Pass()
    with _opened(_source(media), media.name) as container:
        if not container.streams.audio:
            raise DecodeError(f"{media.name}: no sound track")
        stream = container.streams.audio[0]
        _read_statement(container, stream, found)
        _check_seconds(found.stated_seconds, MAX_AUDIO_SECONDS, media.name)
        to_float = av.AudioResampler(format="fltp")
        for frame in _frames(container, stream, found):
            source_rate = source_rate or frame.sample_rate
            if frame.sample_rate != source_rate:
                raise DecodeError(f"{media.name}: the sample rate changes within the sound")
            for block in to_float.resample(frame):
                blocks.append(block.to_ndarray().mean(axis=0, dtype=np.float32))
                samples += len(blocks[-1])
            _check_seconds(samples / source_rate, MAX_AUDIO_SECONDS, media.name)
    problem = found.problem or (_shortfall(samples / source_rate, found) if samples else "")
    if problem:
        raise DecodeError(f"{media.name}: cannot decode audio: {problem}")
    if not samples:
        raise DecodeError(f"{media.name}: no samples")
    mono = np.concatenate(blocks)
    if source_rate != rate:
        mono = soxr.resample(mono, source_rate, rate, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)


def _pyav() -> Any:
    try:
        return import_module("av")
    except ImportError as error:
        raise UsageError(
            "decoding videos and sound tracks needs PyAV: pip install 'mio-eval[video]'"
        ) from error


def _source(media: Media) -> Path | bytes:
    return media.path if media.path is not None else media.read()


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[Any]:
    """Open a file through a stream of ours: a path is never read as an address or a pattern."""
    av = _pyav()
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


def _video_stream(container: Any, name: str) -> Any:
    """Choose the first video stream that is no cover picture. Raises DecodeError."""
    for stream in container.streams.video:
        if not stream.disposition & _pyav().stream.Disposition.attached_pic:
            if context := stream.codec_context:
                _check_pixels(context.width, context.height, name)
                context.options = {"max_pixels": str(MAX_PIXELS)}  # also if the size changes
            return stream
    raise DecodeError(f"{name}: no decodable frame (no video stream)")


def _read_statement(container: Any, stream: Any, found: _Pass) -> None:
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


def _scan(source: Path | bytes, name: str) -> _Pass:
    """Foretell the frames from the packets, undecoded: wrong for some files, which is harmless."""
    av, found = _pyav(), _Pass()
    with _opened(source, name) as container:
        stream = _video_stream(container, name)
        _read_statement(container, stream, found)
        stamps: list[float] = []
        with suppress(av.FFmpegError):  # decoding will meet it, and say so
            for packet in _packets(container, stream):
                stamp = packet.dts if packet.pts is None else packet.pts
                if packet.size and not packet.is_discard and stamp is not None:
                    stamps.append(float(stamp * packet.time_base))
                if len(stamps) > MAX_VIDEO_FRAMES:
                    raise DecodeError(f"{name}: over {MAX_VIDEO_FRAMES} frames")
    found.stamps += sorted(stamps)
    return found


def _decode(
    source: Path | bytes,
    name: str,
    keep: Sequence[int],
    *,
    cutter: SceneCutter | None = None,
    threads: str = "AUTO",
    stop: int = MAX_VIDEO_FRAMES,
) -> _Pass:
    """Decode frames 0 to `stop`, convert those in `keep`, show all to `cutter`."""
    found, wanted, kept_pixels = _Pass(), set(keep), 0
    with _opened(source, name) as container:
        stream = _video_stream(container, name)
        _read_statement(container, stream, found)
        _check_seconds(found.stated_seconds, MAX_VIDEO_SECONDS, name)
        stream.thread_type = threads
        for index, frame in enumerate(_frames(container, stream, found)):
            if index >= MAX_VIDEO_FRAMES:
                raise DecodeError(f"{name}: over {MAX_VIDEO_FRAMES} frames")
            _check_pixels(frame.width, frame.height, name)
            found.add_stamp(frame, stream.time_base)
            _check_seconds(found.span, MAX_VIDEO_SECONDS, name)
            if cutter:
                turned = _turn(frame) in _SIDEWAYS
                cutter.add(
                    frame.to_ndarray(format="bgr24"), frame.height if turned else frame.width
                )
            if index in wanted:
                kept_pixels += frame.width * frame.height
                if kept_pixels > MAX_KEPT_PIXELS:
                    raise DecodeError(f"{name}: {len(wanted)} frames are too many of this size")
                found.images[index] = _upright(frame)
            if index >= stop:
                break
    return found


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    # Where a stream appears on the way (FLV, TS), PyAV (18.1) runs past its list at the very end.
    with suppress(IndexError):
        yield from container.demux(stream)


def _frames(container: Any, stream: Any, found: _Pass) -> Iterator[Any]:
    """Yield decoded frames in display order up to the first damage, noted as `found.problem`."""
    av = _pyav()
    if stream.codec_context is None:
        found.problem = "unknown codec"
        return
    try:
        for packet in _packets(container, stream):
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


def _turn(frame: Any) -> str:
    """Name the PIL transposition that makes a frame upright, by its display matrix, or "".

    The matrix is ISO/IEC 14496-12's, 16.16 fixed point. Odd angles are left alone.
    """
    side = frame.side_data.get("DISPLAYMATRIX")
    if side is None:
        return ""
    a, b, _, c, d = (round(value / 65536) for value in struct.unpack("=5i", bytes(side)[:20]))
    return _TURNS.get((a, b, c, d), "")


def _upright(frame: Any) -> PIL.Image.Image:
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError("decoding frames needs Pillow: pip install 'mio-eval[video]'") from error
    image: Image.Image = frame.to_image()
    turn = _turn(frame)
    return image.transpose(Image.Transpose[turn]) if turn else image


def _shortfall(seconds: float, found: _Pass) -> str:
    """Say what is missing of the stated duration, or "" when that is little."""
    if found.ends_early:
        return "the file ends early"
    missing = found.stated_seconds - seconds
    if missing <= max(_TAIL_SECONDS, _TAIL_SHARE * found.stated_seconds):
        return ""
    return f"{seconds:.1f} of {found.stated_seconds:.1f} seconds are there"


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise DecodeError(f"{name}: {width}×{height} pixels is too large")


def _check_seconds(seconds: float, limit: int, name: str) -> None:
    if seconds > limit:
        raise DecodeError(f"{name}: over {limit / 3600:g} hours is too long")


def _said(error: Exception) -> str:
    """Take the plain words out of an FFmpeg error."""
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__

"""Decodes the frames of videos that a policy picks, strictly and within limits.

Frames are counted by decoding them, once where the packets foretell the wanted ones, else twice;
only wanted frames are converted and kept.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..types import Json, Media
from .container import (
    Reading,
    check_seconds,
    decoded_frames,
    opened,
    packets,
    pyav,
    read_statement,
    shortfall,
    source_of,
)
from .decode import MAX_PIXELS, DecodeError
from .frames import FramePolicy, SceneCutter

if TYPE_CHECKING:
    import PIL.Image

MAX_VIDEO_SECONDS = 4 * 3600
MAX_VIDEO_FRAMES = 1_000_000  # four hours at 60 frames a second are 864,000
MAX_KEPT_PIXELS = 1_000_000_000  # over all kept frames together: 3 GB of RGB

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
class _Pass(Reading):
    """What one reading of a video found."""

    stamps: list[float | None] = field(default_factory=list)
    images: dict[int, PIL.Image.Image] = field(default_factory=dict)
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
    source, name = source_of(media), media.name
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
    problem = found.problem or shortfall(max(found.span, found.end), found)
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


def _video_stream(container: Any, name: str) -> Any:
    """Choose the first video stream that is no cover picture. Raises DecodeError."""
    for stream in container.streams.video:
        if not stream.disposition & pyav().stream.Disposition.attached_pic:
            if context := stream.codec_context:
                _check_pixels(context.width, context.height, name)
                context.options = {"max_pixels": str(MAX_PIXELS)}  # also if the size changes
            return stream
    raise DecodeError(f"{name}: no decodable frame (no video stream)")


def _scan(source: Path | bytes, name: str) -> _Pass:
    """Foretell the frames from the packets, undecoded: wrong for some files, which is harmless."""
    av, found = pyav(), _Pass()
    with opened(source, name) as container:
        stream = _video_stream(container, name)
        read_statement(container, stream, found)
        stamps: list[float] = []
        with suppress(av.FFmpegError):  # decoding will meet it, and say so
            for packet in packets(container, stream):
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
    with opened(source, name) as container:
        stream = _video_stream(container, name)
        read_statement(container, stream, found)
        check_seconds(found.stated_seconds, MAX_VIDEO_SECONDS, name)
        stream.thread_type = threads
        for index, frame in enumerate(decoded_frames(container, stream, found)):
            if index >= MAX_VIDEO_FRAMES:
                raise DecodeError(f"{name}: over {MAX_VIDEO_FRAMES} frames")
            _check_pixels(frame.width, frame.height, name)
            found.add_stamp(frame, stream.time_base)
            check_seconds(found.span, MAX_VIDEO_SECONDS, name)
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


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise DecodeError(f"{name}: {width}×{height} pixels is too large")

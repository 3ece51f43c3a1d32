"""Makes small videos and sounds, with numbers painted into the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mio_eval.types import Video

av: Any = pytest.importorskip("av")
pytest.importorskip("PIL")

WIDTH, HEIGHT, BIT = 64, 48, 8
Picture = npt.NDArray[np.uint8]


def can_encode(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except ValueError:
        return False
    return True


def numbered(index: int) -> Picture:
    """Paint a number as eight bars, lowest bit first from the left; white is 1."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(8):
        picture[:, bit * BIT : (bit + 1) * BIT] = 255 * (index >> bit & 1)
    return picture


def number_in(image: Any) -> int:
    """Read the painted number back from the row in the middle."""
    row = np.asarray(image.convert("L"))[image.height // 2]
    return sum(int(row[bit * BIT + BIT // 2] > 128) << bit for bit in range(8))


def write_clip(
    path: Path,
    pictures: Sequence[Picture],
    *,
    codec: str = "mpeg4",
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    turn: Callable[[Any], None] | None = None,
    sound: npt.NDArray[np.float32] | None = None,
    gop: int = 12,
) -> Path:
    """Encode pictures at a steady rate, or at given milliseconds; a tone may go along."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=1000 if times_ms else fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        if times_ms:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            turn(stream)
        if sound is not None:
            add_sound(container, sound, "aac", 48_000)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = times_ms[index] if times_ms else index
            frame.time_base = Fraction(1, 1000 if times_ms else fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def add_sound(container: Any, wave: npt.NDArray[np.float32], codec: str, rate: int) -> None:
    """Encode a wave of shape (channels, samples)."""
    layout = "mono" if len(wave) == 1 else "stereo"
    stream = container.add_stream(codec, rate=rate, layout=layout)
    resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    fifo = av.AudioFifo()
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        fifo.write(piece)
    size = stream.codec_context.frame_size or 1024
    while piece := fifo.read(size, partial=True):
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def write_sound(
    path: Path, wave: npt.NDArray[np.float32], codec: str = "aac", rate: int = 48_000
) -> Path:
    with av.open(str(path), "w") as container:
        add_sound(container, wave, codec, rate)
    return path


def tone(seconds: float, channels: int = 1, rate: int = 48_000) -> npt.NDArray[np.float32]:
    clock = np.arange(int(seconds * rate)) / rate
    return np.tile((0.5 * np.sin(2 * np.pi * 440 * clock)).astype(np.float32), (channels, 1))


def of_bytes(data: bytes, name: str = "bytes.mp4") -> Video:
    return Video(load=lambda: data, name=name)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where each video packet lies in a file: (position, size), in file order."""
    with av.open(str(path)) as container:
        return sorted((p.pos, p.size) for p in container.demux(video=0) if p.size)

"""Frame policies: which frames of a video a model sees, as pure index arithmetic.

A policy never opens a file. `mio_eval.media.video` gives it the presentation times of the frames
that were really decoded, and it answers with indices into them, in decoded (display) order.

- `uniform:N`: N frames from the first to the last, `np.linspace(0, total - 1, N, dtype=int)`,
  as LLaVA-NeXT and Video-LLaVA do.
- `fps:R` and `fps:R,max=N`: the frame on screen at 0, 1/R, 2/R … seconds; above N, N of these.
- `vita`: every `round(fps)`-th frame; above 16, 16 of these, under 4, 4 of these. As VITA does.
- `mio-scenes`: the middle frame of every scene, or about 10 frames without cuts. As MIO does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_COUNT = 10_000  # frames a policy may ask for
MAX_RATE = 1000.0  # frames a second a policy may ask for
VITA_MIN, VITA_MAX = 4, 16
CLOCK_TOLERANCE = 0.001  # seconds: Matroska and FLV round timestamps to whole milliseconds
POLICY_FORMS = ("uniform:N", "fps:R", "fps:R,max=N", "vita", "mio-scenes")

_UNIFORM = re.compile(r"uniform:(\d{1,9})", re.ASCII)
_FPS = re.compile(r"fps:(\d{1,9}(?:\.\d{1,9})?)(?:,max=(\d{1,9}))?", re.ASCII)
_SCENE_WIDTH = 256  # PySceneDetect compares frames scaled down to about this width, in pixels


@dataclass(frozen=True, slots=True)
class FramePolicy:
    """A rule that picks frames; made by `parse_policy`.

    Args:
        name: uniform, fps, vita or mio-scenes.
        count: N of `uniform:N`, or `max` of `fps` (0: no maximum).
        rate: R of `fps:R`, frames a second.
    """

    name: str
    count: int = 0
    rate: float = 0.0

    @property
    def signature(self) -> str:
        """The one canonical spelling: `parse_policy(p.signature) == p`.

        A name stands for one rule for good; another rule (midpoints, segment starts) would be
        another name, so equal signatures mean equal frames.
        """
        if self.name == "uniform":
            return f"uniform:{self.count}"
        if self.name == "fps":
            return f"fps:{_plain(self.rate)}" + (f",max={self.count}" if self.count else "")
        return self.name

    @property
    def reads_pixels(self) -> bool:
        """Tell whether the rule needs the pictures (scene cuts), not only their times."""
        return self.name == "mio-scenes"

    def indices(self, times: Sequence[float], fps: float, cuts: Sequence[int] = ()) -> list[int]:
        """Pick frames: sorted indices into `times`, repeated only where the rule repeats.

        Args:
            times: presentation time of every frame, in seconds from the first, never decreasing.
            fps: average frames a second, as the container states it.
            cuts: indices of the first frames of new scenes (mio-scenes only).

        Raises ValueError without frames.
        """
        if self.name == "uniform":
            return uniform_indices(len(times), self.count)
        if self.name == "fps":
            return fps_indices(times, self.rate, self.count or None)
        if self.name == "vita":
            return vita_indices(len(times), fps)
        return scene_indices(cuts, len(times))


def parse_policy(text: str) -> FramePolicy:
    """Read `uniform:N`, `fps:R`, `fps:R,max=N`, `vita` or `mio-scenes`.

    Raises UsageError, with what is expected, for anything else.
    """
    given = text.strip()
    if given in ("vita", "mio-scenes"):
        return FramePolicy(given)
    name = given.partition(":")[0]
    if name == "uniform":
        match = _UNIFORM.fullmatch(given)
        if match and 1 <= int(match[1]) <= MAX_COUNT:
            return FramePolicy("uniform", count=int(match[1]))
        raise UsageError(
            f"frame policy {text!r}: expected uniform:N with a whole number N "
            f"from 1 to {MAX_COUNT}, for example uniform:8"
        )
    if name == "fps":
        match = _FPS.fullmatch(given)
        rate = float(match[1]) if match else 0.0
        count = int(match[2]) if match and match[2] else None
        if 0 < rate <= MAX_RATE and (count is None or 1 <= count <= MAX_COUNT):
            return FramePolicy("fps", count=count or 0, rate=rate)
        raise UsageError(
            f"frame policy {text!r}: expected fps:R or fps:R,max=N with R frames a second, above 0 "
            f"and up to {MAX_RATE:g}, and N from 1 to {MAX_COUNT}, for example fps:1,max=32"
        )
    raise unknown("frame policy", text, POLICY_FORMS)


def uniform_indices(total: int, n: int) -> list[int]:
    """Pick `n` frames spread from the first to the last of `total`.

    `np.linspace(0, total - 1, n, dtype=int)`: evenly spaced, both ends included, fractions cut
    off (not rounded). This is what LLaVA-NeXT, Video-LLaVA and most evaluation code do; LAVIS
    (InstructBLIP) takes segment starts and InternVL segment middles instead. `n` = 1 gives the
    first frame. A video with fewer than `n` frames gives repeated frames.
    """
    _check(total)
    if n < 1:
        raise ValueError(f"expected at least 1 frame, got {n}")
    return _linspace(total - 1, n)


def fps_indices(times: Sequence[float], rate: float, limit: int | None = None) -> list[int]:
    """Pick the frame on screen at 0, 1/rate, 2/rate … seconds, up to the last frame's time.

    Works on presentation times, so it is right for variable frame rates: a frame that stays on
    screen is taken once, and a source slower than `rate` gives every frame. Timestamps may be
    late by `CLOCK_TOLERANCE`. With more than `limit` frames, `limit` of them are taken by the
    rule of `uniform_indices`.
    """
    _check(len(times))
    if not rate > 0:
        raise ValueError(f"expected a positive rate, got {rate}")
    # Tick k is at k / rate seconds; a frame is picked when a tick falls between it and the next.
    first_tick = [max(0, math.ceil((time - CLOCK_TOLERANCE) * rate)) for time in times]
    end_tick = math.floor((times[-1] + CLOCK_TOLERANCE) * rate) + 1
    picked = [
        index
        for index, (tick, following) in enumerate(
            zip(first_tick, [*first_tick[1:], end_tick], strict=True)
        )
        if tick < following
    ]
    return _thin(picked, limit) if limit and len(picked) > limit else picked


def vita_indices(total: int, fps: float) -> list[int]:
    """Pick frames as VITA's `video_audio_demo.py` does (`_get_rawvideo_dec`).

    Positions are every `round(fps)`-th frame (one a second); more than 16 are thinned to 16 and
    fewer than 4 spread to 4, both `np.linspace(0, len - 1, n, dtype=int)` over these positions,
    so a clip of under 2 seconds repeats its frames. Counted in frames, not in timestamps, as
    the original. A rate under 0.5, where the original fails, counts as 1.
    """
    _check(total)
    positions = list(range(0, total, max(1, round(fps))))
    if len(positions) > VITA_MAX:
        return _thin(positions, VITA_MAX)
    return _thin(positions, VITA_MIN) if len(positions) < VITA_MIN else positions


def scene_indices(cuts: Sequence[int], total: int) -> list[int]:
    """Pick the middle frame of each scene, as MIO's `extract_frames` does.

    `cuts` are the first frames of new scenes; a scene of frames start to end - 1 gives
    `start + (end - start) // 2`, which is `save_images(num_images=1)` of PySceneDetect 0.6.4.
    Without cuts: every `max(1, total // 10)`-th frame, which is 10 to 19 frames, or all of
    fewer than 20.
    """
    _check(total)
    starts = sorted({cut for cut in cuts if 0 < cut < total})
    if not starts:
        return list(range(0, total, max(1, total // 10)))
    return [
        start + (end - start) // 2
        for start, end in zip([0, *starts], [*starts, total], strict=True)
    ]


class SceneCutter:
    """Finds scene cuts frame by frame with PySceneDetect's ContentDetector, all defaults.

    Defaults mean: threshold 27.0, scenes of at least 15 frames, short ones merged. Frames are
    scaled down by the whole number width // 256 with bilinear interpolation, as PySceneDetect
    0.6.4 (which MIO pins) does; later versions divide exactly. Time is counted in frames.

    Raises UsageError when PySceneDetect is missing.
    """

    def __init__(self) -> None:
        try:
            cv2 = import_module("cv2")
            scenedetect = import_module("scenedetect")
        except ImportError as error:
            raise UsageError(
                "finding scenes needs PySceneDetect: pip install 'mio-eval[video]'"
            ) from error
        self._cv2: Any = cv2
        self._timecode: Any = scenedetect.FrameTimecode
        self._detector: Any = scenedetect.ContentDetector()
        self._size: tuple[int, int] | None = None
        self._seen = 0
        self.cuts: list[int] = []

    def add(self, bgr: npt.NDArray[np.uint8], display_width: int) -> None:
        """Look at the next frame: BGR pixels (height, width, 3), and its width when upright."""
        height, width = bgr.shape[:2]
        if self._size is None:
            self._size = (width, height)
        # A frame of another size cannot be compared; PySceneDetect skips it too.
        if self._size == (width, height):
            factor = display_width // _SCENE_WIDTH
            if factor > 1:
                size = (max(1, round(width / factor)), max(1, round(height / factor)))
                bgr = self._cv2.resize(bgr, size, interpolation=self._cv2.INTER_LINEAR)
            # The rate only dresses up the frame number: every default is counted in frames.
            cuts = self._detector.process_frame(self._timecode(self._seen, fps=25.0), bgr)
            self.cuts += [int(cut.frame_num) for cut in cuts]
        self._seen += 1


def _check(total: int) -> None:
    if total < 1:
        raise ValueError("expected at least 1 frame")


def _linspace(last: int, n: int) -> list[int]:
    """Do `np.linspace(0, last, n, dtype=int)` with numpy's own order of operations."""
    if n == 1:
        return [0]
    step = last / (n - 1)
    return [*(int(index * step) for index in range(n - 1)), last]


def _thin(positions: Sequence[int], n: int) -> list[int]:
    return [positions[index] for index in _linspace(len(positions) - 1, n)]


def _plain(rate: float) -> str:
    """Write a rate in its shortest exact decimal form, without an exponent."""
    text = f"{rate:.9f}".rstrip("0").rstrip(".")
    return text or "0"

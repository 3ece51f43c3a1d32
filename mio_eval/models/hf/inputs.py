"""What a model with a processor is asked: text with places for media, and the decoded media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...media.decode import DecodeError, load_audio, load_image
from ...types import Audio, Image, Json, Modality, Part, Text, Video

if TYPE_CHECKING:
    import PIL.Image

    from ...media.video import Frames

FRAMES = "uniform:8"  # of a video, when the task names no policy


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a prompt, decoded. `value`: str, RGB image, float32 samples, `media.Frames`."""

    kind: Modality
    value: Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready for a processor.

    Args:
        text: with the model's placeholder at each medium's place.
        images: RGB, in the order of their places.
        sounds: mono float32 at the processor's rate.
        videos: `mio_eval.media.video.Frames` each.
        usage: counts to report with the answer.
        details: what else to keep with the answer: which frames were shown.
    """

    text: str
    images: tuple[Any, ...] = ()
    sounds: tuple[Any, ...] = ()
    videos: tuple[Any, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Json] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many media of each kind: only prompts alike go through a processor together."""
        return len(self.images), len(self.sounds), len(self.videos)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request's parts, decoded, and what to report of its videos.

    Args:
        pieces: in the order of the parts.
        usage: `frames`: how many frames are shown.
        details: `frames`: which ones they are; a list for several videos.
    """

    pieces: tuple[Piece, ...]
    usage: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Json] = field(default_factory=dict)


def decode(
    parts: Sequence[Part],
    settings: Mapping[str, Json],
    *,
    rate: int,
    max_pixels: int | None = None,
    frame_pixels: int | None = None,
    video_as_images: bool = False,
) -> Decoded:
    """Decode parts in their order; a video by the policy of setting `frames`.

    Images are scaled down to `max_pixels`, the frames of a video to `frame_pixels`. Raises
    DecodeError or OSError for a medium that cannot be read.
    """
    pieces: list[Piece] = []
    shown: list[Frames] = []
    for part in parts:
        if isinstance(part, Text):
            pieces.append(Piece("text", part.text))
        elif isinstance(part, Image):
            pieces.append(Piece("image", shrink(load_image(part), max_pixels)))
        elif isinstance(part, Audio):
            pieces.append(Piece("audio", _sound(part, rate)))
        else:
            frames = load_video(part, str(settings.get("frames") or FRAMES))
            shown.append(frames)
            if video_as_images:
                pieces += [Piece("image", shrink(image, max_pixels)) for image in frames.images]
            else:
                small = [shrink(image, frame_pixels) for image in frames.images]
                pieces.append(Piece("video", replace(frames, images=small)))
    if not shown:
        return Decoded(tuple(pieces))
    told = [frames.to_json() for frames in shown]
    count = sum(len(frames.indices) for frames in shown)
    return Decoded(
        tuple(pieces), {"frames": count}, {"frames": told[0] if len(told) == 1 else told}
    )


def load_video(video: Video, policy: str) -> Frames:
    """Decode the frames of a video that a policy picks."""
    from ...media.frames import parse_policy
    from ...media.video import load_frames

    return load_frames(video, parse_policy(policy))


def _sound(part: Audio, rate: int) -> Any:
    try:
        return load_audio(part, rate)
    except DecodeError as error:
        if not error.unknown:
            raise  # what is cut or damaged: the other decoder would give what is left of it
        from ...media.audio_track import load_audio_track

        try:
            return load_audio_track(part, rate)  # m4a, aac, opus …, which libsndfile cannot read
        except DecodeError:
            pass
        raise


def shrink(image: PIL.Image.Image, max_pixels: int | None) -> PIL.Image.Image:
    """Scale an image down to at most `max_pixels`, keeping its shape."""
    if max_pixels is None or image.width * image.height <= max_pixels:
        return image
    from PIL import Image as Pillow

    scale = (max_pixels / (image.width * image.height)) ** 0.5
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Pillow.Resampling.BICUBIC)


def merge_text(pieces: Sequence[Piece], *, trim: bool) -> list[Piece]:
    """Join neighbouring texts; with `trim`, drop white space beside media and at both ends.

    A chat template puts its own line breaks between media and words.
    """
    merged: list[Piece] = []
    for piece in pieces:
        if piece.kind == "text" and merged and merged[-1].kind == "text":
            merged[-1] = Piece("text", merged[-1].value + piece.value)
        else:
            merged.append(piece)
    if not trim:
        return merged
    stripped = [Piece("text", p.value.strip()) if p.kind == "text" else p for p in merged]
    return [piece for piece in stripped if piece.kind != "text" or piece.value]


def shown_rate(frames: Any) -> float:
    """Return how many of a video's frames are shown a second."""
    return float(len(frames.indices) * frames.fps / frames.total)


def video_metadata(frames: Any) -> dict[str, Json]:
    """Describe picked frames as transformers' VideoMetadata: what was taken, of how much."""
    return {
        "total_num_frames": frames.total,
        "fps": frames.fps,
        "duration": frames.total / frames.fps,
        "frames_indices": list(frames.indices),
        "width": frames.images[0].width,
        "height": frames.images[0].height,
    }

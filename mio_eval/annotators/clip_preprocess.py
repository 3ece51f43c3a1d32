"""From an image to a CLIP model's input, with the crop rule spelt out.

Two rules are in use for the middle of an image, and they differ by one pixel where the margin
leaves 3 modulo 4, as it does for COCO's 640 x 427: transformers rounds half a margin down,
torchvision (open_clip, OpenAI's code) rounds it to the nearest even number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from ..errors import UsageError, first_line

if TYPE_CHECKING:
    import PIL.Image

Crop = Literal["center-floor", "center-round", "none"]

_BILINEAR, _BICUBIC = 2, 3  # Pillow's numbers
_FILTERS = {"bilinear": _BILINEAR, "bicubic": _BICUBIC}


def crop_start(length: int, size: int, crop: Crop) -> int:
    """Return the first pixel of the middle `size` of `length` pixels under a crop rule."""
    if crop == "center-floor":
        return (length - size) // 2
    if crop == "center-round":
        return round((length - size) / 2)  # a half goes to the even number
    raise ValueError(f"no crop rule: {crop}")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize with Pillow's antialiased filter, crop the middle, scale to 0–1, standardise.

    Attributes:
        size: height and width of the model's input, in pixels.
        crop: the crop rule; `none` resizes straight to `size` without keeping the aspect ratio.
        edge: pixels of the shorter side before the crop (unused without one).
        mean, std: per channel (RGB), on the scale 0–1.
        resample: Pillow's number of the filter: 2 bilinear, 3 bicubic.
    """

    size: tuple[int, int]
    crop: Crop
    edge: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int = _BICUBIC

    def __post_init__(self) -> None:
        if self.crop != "none" and self.edge < max(self.size):
            raise UsageError(f"cannot crop {self.size} from a shorter side of {self.edge} pixels")
        if len(self.mean) != 3 or len(self.std) != 3 or self.resample not in _FILTERS.values():
            raise UsageError(f"unsupported image preprocessing: {self}")

    def __call__(self, image: PIL.Image.Image) -> npt.NDArray[np.float32]:
        """Return float32 (3, height, width). Alpha is dropped, not blended."""
        pixels = np.asarray(self.fit(image.convert("RGB")), dtype=np.float32) / np.float32(255)
        mean = np.array(self.mean, dtype=np.float32)
        std = np.array(self.std, dtype=np.float32)
        return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1))

    def fit(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """Resize and crop, as 8-bit integers."""
        height, width = self.size
        if self.crop == "none":
            return image.resize((width, height), self.resample)
        short, long = sorted(image.size)
        scaled = int(self.edge * long / short)
        wide = (scaled, self.edge) if image.width > image.height else (self.edge, scaled)
        resized = image.resize(wide, self.resample)
        left = crop_start(wide[0], width, self.crop)
        top = crop_start(wide[1], height, self.crop)
        return resized.crop((left, top, left + width, top + height))

    @classmethod
    def from_transformers(cls, config: Mapping[str, Any]) -> Self:
        """Read a transformers `preprocessor_config.json` of CLIP or SigLIP.

        Raises:
            UsageError: a field is missing, of another type, or asks for something other than the
                steps above.
        """
        try:
            crops = bool(config.get("do_center_crop", "crop_size" in config))
            size, resample = config["size"], int(config["resample"])
            mean, std = tuple(config["image_mean"]), tuple(config["image_std"])
            crop_size = _square(config["crop_size"]) if crops else (0, 0)
            factor = float(config.get("rescale_factor") or 1 / 255)
            edge = int(size.get("shortest_edge", 0) if isinstance(size, Mapping) else size)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                "the image preprocessing of the model lacks a field, or it is of another type: "
                f"{first_line(error)}"
            ) from error
        steps = ("do_resize", "do_rescale", "do_normalize")
        if not all(config.get(step, True) for step in steps) or abs(factor * 255 - 1) > 1e-6:
            raise UsageError("the model's image preprocessing skips or changes a step of CLIP's")
        if crops and edge:
            return cls(crop_size, "center-floor", edge, mean, std, resample)
        if crops:
            raise UsageError(f"unsupported image size of the model: {size} with a crop")
        if isinstance(size, Mapping) and not {"height", "width"} <= set(size):
            raise UsageError(f"unsupported image size of the model: {size} without a crop")
        return cls(_square(size), "none", 0, mean, std, resample)

    @classmethod
    def from_open_clip(cls, config: Mapping[str, Any]) -> Self:
        """Read open_clip's `preprocess_cfg`. Raises UsageError for one that is not supported."""
        mode, interpolation = config["resize_mode"], config["interpolation"]
        if mode not in ("shortest", "squash") or interpolation not in _FILTERS:
            raise UsageError(f"unsupported image preprocessing: {mode}, {interpolation}")
        given = config["size"]
        size = (int(given), int(given)) if isinstance(given, int) else (given[0], given[1])
        if mode == "shortest" and size[0] != size[1]:
            raise UsageError(f"unsupported image preprocessing: {mode} to {size}")
        crop: Crop = "center-round" if mode == "shortest" else "none"
        edge = size[0] if mode == "shortest" else 0
        mean, std = tuple(config["mean"]), tuple(config["std"])
        return cls(size, crop, edge, mean, std, _FILTERS[interpolation])


def _square(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return int(size["height"]), int(size["width"])
    return int(size), int(size)

"""Metrics of generated images, from what judges said of them: one cosine, index or score a sample.

The arithmetic is in `image_similarity` and `ssim`; models run in `mio_eval.annotators.judges`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..types import Json
from .base import Array, Item, Metric, Statistics, mean_score

CLIPSCORE_WEIGHT = 2.5  # Hessel et al. (2021), equation 1


class JudgedImage(Metric):
    """The mean over samples of one number that a judge gave."""

    higher_is_better = True
    outputs = ("image",)
    columns = ("value", "count")
    key: ClassVar[str]
    """The number's name in the judge's annotation."""
    scale: ClassVar[float] = 1.0

    def value(self, said: float) -> float:
        """Turn what the judge said into the sample's value, before scaling."""
        return said

    def statistics(self, items: Sequence[Item]) -> Statistics:
        values = [
            self.value(_number(self.name, item, self.annotators[0], self.key)) for item in items
        ]
        return Statistics(np.column_stack([values, np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, self.scale)

    def keys(self) -> list[tuple[str, str]]:
        # A judge's identity may hold signature keys of its own, such as enc:…|crop:….
        identity = self.judges.get(self.annotators[0], "-")
        pairs = [pair.partition(":") for pair in f"enc:{identity}".split("|")]
        return [(key, value) for key, _, value in pairs]


class ClipI(JudgedImage):
    """CLIP-I: cosine of the CLIP image embeddings of generated and real image, ×100 (GILL)."""

    name, title, unit = "clip_i", "CLIP-I", "×100"
    range = (-100.0, 100.0)
    annotators = ("clip",)
    key, scale = "image", 100.0


class ClipT(JudgedImage):
    """CLIP-T: cosine of the CLIP embeddings of generated image and caption, ×100, unclamped."""

    name, title, unit = "clip_t", "CLIP-T", "×100"
    range = (-100.0, 100.0)
    annotators = ("clip",)
    key, scale = "text", 100.0


class ClipScore(JudgedImage):
    """CLIPScore (Hessel et al., 2021): 2.5·max(cos, 0) of image and "A photo depicts …"."""

    name, title, unit = "clipscore", "CLIPScore", ""
    range = (0.0, CLIPSCORE_WEIGHT)
    annotators = ("clip",)
    key = "prompted_text"

    def value(self, said: float) -> float:
        return CLIPSCORE_WEIGHT * max(said, 0.0)


class ImageSim(JudgedImage):
    """Cosine of classifier features of generated and real image, ×100: a substitute, not CLIP-I."""

    name, title, unit = "image_sim", "Image similarity (classifier)", "×100"
    range = (-100.0, 100.0)
    annotators = ("image",)
    key, scale = "image", 100.0


class Ssim(JudgedImage):
    """Structural similarity (Wang et al., 2004) of generated and real image."""

    name, title, unit = "ssim", "SSIM", ""
    range = (-1.0, 1.0)
    annotators = ("ssim",)
    key = "ssim"

    def keys(self) -> list[tuple[str, str]]:
        return super().keys()[1:]  # no encoder: the keys are the index's own settings


class Aesthetic(JudgedImage):
    """Aesthetic Predictor V2.5, 1 to 10."""

    name, title, unit = "aesthetic", "Aesthetic (V2.5)", ""
    range = (1.0, 10.0)
    annotators = ("aesthetic",)
    key = "aesthetic"


def _number(metric: str, item: Item, judge: str, key: str) -> float:
    said: Json = item.annotations.get(judge)
    value = said.get(key) if isinstance(said, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(
            f"{metric}: sample {item.id} has no number {key!r} from the judge {judge}; got {said!r}"
        )
    return float(value)

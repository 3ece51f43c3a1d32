"""METEOR and SPICE, by the Java programs that pycocoevalcap ships; absent where Java is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Array, Item, Statistics, mean_score
from .captioning import CaptionMetric
from .java_scorers import (
    METEOR_STATISTICS,
    meteor_from_statistics,
    meteor_scores,
    spice_scores,
    why_unavailable,
)

_METEOR_COLUMNS = tuple(f"meteor{number}" for number in range(1, METEOR_STATISTICS + 1))


class Meteor(CaptionMetric):
    """METEOR 1.5 (Denkowski & Lavie, 2014), `-l en -norm`, of summed statistics, ×100."""

    name = "meteor"
    title = "METEOR"
    splits_at = "space"
    range = (0.0, 100.0)
    columns = _METEOR_COLUMNS

    def unavailable(self) -> str | None:
        return why_unavailable("meteor")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        hypotheses, references = self.tokens_of(items)
        result = meteor_scores(
            [" ".join(tokens) for tokens in hypotheses],
            [[" ".join(tokens) for tokens in group] for group in references],
        )
        return Statistics(result.statistics)

    def score(self, sums: Array) -> Array:
        return 100.0 * meteor_from_statistics(sums)


class Spice(CaptionMetric):
    """SPICE (Anderson et al., 2016): mean F-score over scene-graph tuples, ×100."""

    name = "spice"
    title = "SPICE"
    range = (0.0, 100.0)
    columns = ("spice", "count")

    def unavailable(self) -> str | None:
        return why_unavailable("spice")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._found: dict[tuple[str, tuple[str, ...]], float] = {}

    def statistics(self, items: Sequence[Item]) -> Statistics:
        """Score captions. Raises ValueError where the program gives one no F-score.

        Scores are remembered: those of the other captions are then asked for one by one, and the
        program takes long to start.
        """
        keys = [(item.text, item.references) for item in items]
        if new := [key for key in dict.fromkeys(keys) if key not in self._found]:
            result = spice_scores([text for text, _ in new], [group for _, group in new])
            self._found |= zip(new, result.per_image.tolist(), strict=True)
        scores = [self._found[key] for key in keys]
        for item, score in zip(items, scores, strict=True):
            if math.isnan(score):
                raise ValueError(f"spice: the program gives sample {item.id} no F-score")
        return Statistics(np.column_stack([scores, np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def keys(self) -> list[tuple[str, str]]:
        return [("tok", "corenlp-3.6.0")]

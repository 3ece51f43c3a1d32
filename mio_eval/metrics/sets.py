"""Metrics of a whole set of outputs, which no sum of independent rows gives (FID, KID).

Such a metric reads a vector of features a sample and has no value for a single one. It is brought
into the form of the others by its influence function (Hampel, 1974; Efron and Tibshirani, 1993,
chapters 11 and 21): sample i gets the pseudo-value `value + influence(i)`, where the influence is
the derivative of the score in the weight of that sample, and the influences sum to 0. The mean of
the pseudo-values is the score, exactly; their spread over clusters is the score's standard error,
to first order. So intervals and paired comparisons are those of a mean, without the upward bias of
a bootstrap that computes a distance of resampled sets again (docs/decisions/0006-set-metrics.md).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .base import Array, Item, Metric, Statistics, mean_score

Vectors = npt.NDArray[np.float32]


class SetMetric(Metric):
    """A metric of the set of all outputs. Subclasses define `refusal` and `pseudo_values`."""

    outputs = ("image",)
    columns = ("pseudo_value", "count")
    whole_set = True
    minimum: ClassVar[int] = 2

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._pseudo_values: dict[str, float] = {}

    def refusal(self, n: int) -> str | None:
        """Say why a set of n samples gets no score, or None when it gets one."""
        if n < self.minimum:
            return f"{self.title} of {n} samples: at least {self.minimum} are needed"
        return None

    @abstractmethod
    def pseudo_values(self, vectors: Vectors) -> Array:
        """Return (n,) numbers whose mean is the score.

        `vectors` is (n, 2, d): features of each output, and of what it is judged against.
        """

    def take_set(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Compute the score of the whole set, before statistics are asked for.

        `vectors` as `pseudo_values` takes them, a row an id; sorted by id, as the order of a sum
        decides its last digits.
        """
        found = self.pseudo_values(vectors)
        self._pseudo_values = dict(zip(ids, found.tolist(), strict=True))

    def statistics(self, items: Sequence[Item]) -> Statistics:
        values = [[self._pseudo_values[item.id], 1.0] for item in items]
        return Statistics(np.array(values, dtype=np.float64).reshape(-1, 2))

    def score(self, sums: Array) -> Array:
        return mean_score(sums)

    def per_sample(self, values: Array) -> Array:
        return np.full(len(values), np.nan)

    def keys(self) -> list[tuple[str, str]]:
        return [("feat", self.judges.get(self.annotators[0], "-")), *super().keys()]

"""A metric: which share of the answer's words stands in any reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mio_eval.metrics.base import Array, Item, Metric, Option, Statistics, mean_score

SMALL = frozenset({"a", "an", "the", "of", "with", "on", "in"})


class WordOverlap(Metric):
    """Mean over samples of the share of distinct words that a reference has too, times 100."""

    name, title, unit = "word_overlap", "Word overlap", "%"
    higher_is_better = True
    range = (0.0, 100.0)
    columns = ("share", "count")  # one row of these a sample; scores come from their sums
    options: ClassVar = {"words": Option("content", ("content", "all"), "which words count")}

    def statistics(self, items: Sequence[Item]) -> Statistics:
        return Statistics(np.array([[self._share(item), 1.0] for item in items]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def _share(self, item: Item) -> float:
        said = self._words(item.text)
        known = set().union(*map(self._words, item.references))
        return len(said & known) / len(said) if said else 0.0

    def _words(self, text: str) -> set[str]:
        words = {word.strip(".,!?").lower() for word in text.split()}
        return words - SMALL if self.settings["words"] == "content" else words

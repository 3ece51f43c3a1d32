"""Scores that another harness computed: kept under their own signature, never made anew."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Json
from .base import Array, Item, Metric, Statistics, mean_score


class Imported(Metric):
    """A metric of another harness, as the mean of its samples' values.

    Its statistics are (sum, count). It scores no outputs: what it means is the harness's business.
    """

    name = "imported"
    title = "imported score"
    unit = ""
    higher_is_better = True
    range = (float("-inf"), float("inf"))
    columns = ("sum", "count")
    elsewhere = "it stands for scores of another harness; see mio-eval import"

    def __init__(self, score: Json) -> None:
        """Take name, unit and direction from a score of run.json or a baseline file."""
        super().__init__()
        self.name = score["signature"].partition("|")[0]  # type: ignore[misc]
        self.title = self.name  # type: ignore[misc]
        self.unit = score["unit"]  # type: ignore[misc]
        self.higher_is_better = score["higher_is_better"]  # type: ignore[misc]
        if "range" in score:
            self.range = tuple(score["range"])  # type: ignore[misc]

    def statistics(self, items: Sequence[Item]) -> Statistics:
        raise ValueError(f"{self.name}: {self.elsewhere}")

    def score(self, sums: Array) -> Array:
        return mean_score(sums)

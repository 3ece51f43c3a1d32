"""Accuracy on multiple-choice questions that ran through lm-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..data.lm_eval_tasks import LM_EVAL
from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references

VIA = f"lm-eval-{LM_EVAL}"


class Acc(Metric):
    """Share of questions whose most likely option is the right one, ×100, over all questions.

    The output is the letter of the option that lm-eval chose. Where `meta["acc"]` holds lm-eval's
    own verdict, it must agree.
    """

    name = "acc"
    title = "accuracy"
    unit = "×100"
    higher_is_better = True
    range = (0.0, 100.0)
    columns = ("correct", "count")
    elsewhere = (
        "it scores what lm-eval asked and chose, and its signature says so; for choices in a file "
        "use choice_acc"
    )
    options: ClassVar[Mapping[str, Option]] = {
        "agg": Option("micro", ("micro",), "micro: mean over all questions"),
        "via": Option(VIA, (VIA,), "what built the prompts and chose the option"),
    }

    def statistics(self, items: Sequence[Item]) -> Statistics:
        need_references(self.name, items)
        rows = [[float(_correct(item)), 1.0] for item in items]
        return Statistics(np.array(rows, dtype=np.float64).reshape(-1, 2))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)


def _correct(item: Item) -> bool:
    correct = item.text == item.references[0]
    theirs = item.meta.get("acc")
    if theirs is not None and bool(theirs) != correct:
        raise ValueError(
            f"sample {item.id}: chose {item.text!r}, right is {item.references[0]!r}, "
            f"but lm-eval gave acc {theirs}"
        )
    return correct

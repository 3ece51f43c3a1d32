"""Top-1 exact match of a generated answer with one word: MSVD-QA, MSRVTT-QA.

No evaluator is published for generated answers on these sets; the share of questions whose answer
equals the reference, out of all questions, is what papers report. The rule that shortens a
generated sentence decides the number, so it is named. A score by a language model as judge
("Video-ChatGPT protocol") is another metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references

_EMU_CUTS = ("\n", ". ", '"', ", ")
_EMU_OPENINGS = ("it is ", "it's ", "a ", "an ", "the ")


def plain_answer(text: str) -> str:
    """Strip the ends and lower-case."""
    return text.strip().lower()


def emu_short_answer(text: str) -> str:
    """Shorten an answer as Emu's evaluation does (baaivision/Emu, Emu1).

    Keep what stands before a line feed, ". ", a quotation mark and ", "; lower-case; drop one
    final period; then drop "it is", "it's", "a", "an" and "the" from the beginning, each once
    and in this order.
    """
    for cut in _EMU_CUTS:
        text = text.partition(cut)[0]
    text = text.strip().lower().removesuffix(".")
    for opening in _EMU_OPENINGS:
        text = text.removeprefix(opening)
    return text


SHORT_RULES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "none": ("none-1", plain_answer),
    "emu": ("emu-1", emu_short_answer),
}
"""Rules for predictions, by name: the versioned name that signatures show, and the rule."""


class VqaExact(Metric):
    """Exact match of the shortened prediction with any reference (stripped, lower case), ×100."""

    name = "vqa_exact"
    title = "top-1 accuracy (exact match)"
    unit = "×100"
    higher_is_better = True
    range = (0.0, 100.0)
    columns = ("correct", "count")
    options: ClassVar[Mapping[str, Option]] = {
        "short": Option("none", tuple(SHORT_RULES), "rule that shortens a generated answer")
    }

    def statistics(self, items: Sequence[Item]) -> Statistics:
        need_references(self.name, items)
        _, shorten = SHORT_RULES[self.settings["short"]]
        answers = [shorten(item.text) for item in items]
        correct = [
            float(answer in {plain_answer(reference) for reference in item.references})
            for answer, item in zip(answers, items, strict=True)
        ]
        details = [{"answer": answer} for answer in answers]
        return Statistics(np.column_stack([correct, np.ones(len(items))]), details)

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def keys(self) -> list[tuple[str, str]]:
        return [("short", SHORT_RULES[self.settings["short"]][0])]

"""VQA accuracy (Antol et al., 2015): agreement with ten human answers, leaving one out.

For every human answer in turn, a prediction is worth min(k/3, 1), k being how many of the *other*
answers it equals; the accuracy is the mean. Which answer is left out goes by its position: the
official code compares dictionaries, and without `answer_id` leaves out all equal answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..errors import UsageError
from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references
from .vqa_text import ANSWER_RULES, DEFAULT_VARIANT, PAIR_RULES, VARIANTS, PairRule

ABSENT_RULES: Mapping[str, str] = {
    "lavis-spacy": "LAVIS (BLIP-2) puts predictions through the lemmas of a spaCy model",
    "openflamingo-wordnet": "OpenFlamingo stems predictions by WordNet and a table of its own",
}
"""Rules for OK-VQA's answers that papers used and that are not here, with what they are."""
_ENOUGH = 3  # as many equal answers make a prediction fully right


def leave_one_out(matches: int, annotators: int) -> float:
    """Mean of min(k/3, 1) over the leave-one-out subsets; 0, .3, .6, .9, 1 for 10 annotators.

    Args:
        matches: how many of the human answers equal the prediction.
        annotators: how many human answers there are, at least 1.
    """
    others = annotators - matches
    thirds = others * min(matches, _ENOUGH) + matches * min(max(matches - 1, 0), _ENOUGH)
    return thirds / (_ENOUGH * annotators)


def pair_rule(variant: str, answers: str = "none") -> PairRule:
    """Return the normalisation of a variant under a rule for answers.

    Raises UsageError for a combination that no evaluator uses.
    """
    if (variant, answers) not in PAIR_RULES:
        known = ", ".join(v for v, a in PAIR_RULES if a == answers) or "none"
        raise UsageError(f"answers={answers} is defined for variant={known} only, not {variant}")
    return PAIR_RULES[variant, answers]


def vqa_accuracy(
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    variant: str = DEFAULT_VARIANT,
    answer_rule: str = "none",
) -> Array:
    """Return the accuracy of every question, from 0 to 1.

    Args:
        predictions: one answer a question.
        answers: the human answers of each question, usually 10.
        variant: one of `vqa_text.VARIANTS`.
        answer_rule: one of `vqa_text.ANSWER_RULES`.
    """
    rule = pair_rule(variant, answer_rule)
    values = [
        _question(rule, prediction, humans)
        for prediction, humans in zip(predictions, answers, strict=True)
    ]
    return np.array(values, dtype=np.float64)


def _question(rule: PairRule, prediction: str, humans: Sequence[str]) -> float:
    given, normalized = rule(prediction, humans)
    return leave_one_out(normalized.count(given), len(normalized))


class VqaAccuracy(Metric):
    """VQA accuracy ×100. An item's references are the human answers to its question."""

    name = "vqa_acc"
    title = "VQA accuracy"
    unit = "×100"
    higher_is_better = True
    range = (0.0, 100.0)
    columns = ("accuracy", "count")
    options: ClassVar[Mapping[str, Option]] = {
        "variant": Option(DEFAULT_VARIANT, VARIANTS, "whose evaluator decides on equality"),
        "answers": Option("none", ANSWER_RULES, "further rule on answers (OK-VQA: stemming)"),
    }

    def __init__(self, **settings: str) -> None:
        if (rule := settings.get("answers", "")) in ABSENT_RULES:
            raise UsageError(
                f"answers={rule} of metric {self.name} is not available: {ABSENT_RULES[rule]}, "
                f"which cannot be had in one fixed version; use {' or '.join(ANSWER_RULES)} "
                "(numbers by different rules do not compare)"
            )
        super().__init__(**settings)
        pair_rule(self.settings["variant"], self.settings["answers"])

    def statistics(self, items: Sequence[Item]) -> Statistics:
        need_references(self.name, items)
        accuracies = vqa_accuracy(
            [item.text for item in items],
            [item.references for item in items],
            self.settings["variant"],
            self.settings["answers"],
        )
        return Statistics(np.column_stack([accuracies, np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

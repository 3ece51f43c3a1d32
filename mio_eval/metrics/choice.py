"""Accuracy on multiple-choice and yes/no questions, by a named rule that reads the answer.

An answer that the rule cannot read is wrong and counted, never dropped and never drawn at random.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import Json
from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references
from .choice_letter import VERSION, letter
from .choice_rules import (
    LetterRule,
    first_char,
    letters_of,
    mme_yes_no,
    ocrbench_contains,
    video_mme,
    vlmevalkit_can_infer,
)

LETTER_RULES: Mapping[str, LetterRule] = {
    "first-char": first_char,
    "letter": letter,
    "video-mme": video_mme,
    "vlmevalkit-can-infer": vlmevalkit_can_infer,
}
PINNED: Mapping[str, str] = {
    "letter": VERSION,
    "first-char": "first-char",
    "video-mme": "video-mme@afd52cf",
    "vlmevalkit-can-infer": "vlmevalkit-can-infer@e8e78f0",
    "mme": "mme",
    "contains": "contains@794c36d",
    "loglik-sum": "loglik-sum",
    "loglik-mean": "loglik-mean",
}
"""The rules, with the names that signatures show."""
_NEED_CHOICES = ("letter", "vlmevalkit-can-infer")
_FORMULA_DATASET = "HME100k"
_STORED = '{"loglikelihood":'  # how such an output begins (`engine.likelihood`)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule read (None: nothing), and whether it is right."""

    read: str | None
    correct: bool


def judge(item: Item, rule: str) -> Verdict:
    """Read an item's answer by a rule of `PINNED` and compare it with its reference.

    Raises ValueError where the item lacks what the rule needs: options, a reference of the right
    kind, or log-likelihoods.
    """
    if rule == "contains":
        formula = item.meta.get("dataset_name") == _FORMULA_DATASET
        correct = any(ocrbench_contains(item.text, r, formula) for r in item.references)
        return Verdict(item.text if item.text.strip() else None, correct)
    if rule == "mme":
        expected = item.references[0].strip().lower()
        if expected not in ("yes", "no"):
            raise ValueError(f"sample {item.id}: rule mme needs yes or no, found {expected!r}")
        read = mme_yes_no(item.text)
        return Verdict(read, read == expected)
    if not rule.startswith("loglik") and _stored(item.text) is not None:
        raise ValueError(
            f"sample {item.id}: the model was asked for log-likelihoods, not for text; "
            "score with rule loglik-sum or loglik-mean"
        )
    choices = _choices(item, rule)
    letters = letters_of(choices)
    expected = item.references[0]
    if len(expected) != 1 or expected not in letters:
        raise ValueError(
            f"sample {item.id}: the reference must be one of the letters {letters}, "
            f"found {expected!r}"
        )
    if rule.startswith("loglik"):
        read = letters[most_likely(_loglikelihoods(item, len(choices)), rule == "loglik-mean")]
    else:
        read = LETTER_RULES[rule](item.text, choices)
    known = read if read is not None and read in letters else None
    return Verdict(known, known == expected)


def _choices(item: Item, rule: str) -> Sequence[str]:
    choices = item.meta.get("choices")
    if choices:
        return [str(choice) for choice in choices]
    if rule in _NEED_CHOICES:
        raise ValueError(f"sample {item.id}: rule {rule} needs the options in meta['choices']")
    if rule.startswith("loglik"):
        return [""] * len(_loglikelihoods(item, None)["sum"])
    return [""] * (4 if rule == "video-mme" else 26)


def _loglikelihoods(item: Item, count: int | None) -> Mapping[str, Sequence[float]]:
    found: Json = item.annotations.get("loglikelihood") or _stored(item.text)
    if not isinstance(found, Mapping) or not found.get("sum"):
        raise ValueError(
            f"sample {item.id}: no log-likelihoods of the options; run the task with this rule"
        )
    if count is not None and len(found["sum"]) != count:
        raise ValueError(
            f"sample {item.id}: {len(found['sum'])} log-likelihoods for {count} options"
        )
    return found


def _stored(text: str) -> Json | None:
    """Return the log-likelihoods that an output holds instead of generated text, or None."""
    if not text.startswith(_STORED):
        return None
    try:
        return json.loads(text)["loglikelihood"]
    except (ValueError, RecursionError):
        return None


def most_likely(loglikelihood: Mapping[str, Sequence[float]], mean: bool = False) -> int:
    """Return the index of the most likely option; the lowest one of equals.

    Args:
        loglikelihood: `sum`, the log-likelihood of every option, and `tokens`, its length.
        mean: divide by the number of tokens.
    """
    sums = [float(value) for value in loglikelihood["sum"]]
    if mean:
        tokens = [float(value) for value in loglikelihood.get("tokens", ())]
        if len(tokens) != len(sums) or min(tokens) <= 0:
            raise ValueError("loglik-mean needs the number of tokens, at least 1, of every option")
        sums = [value / length for value, length in zip(sums, tokens, strict=True)]
    if any(math.isnan(value) for value in sums):
        raise ValueError("a log-likelihood is not a number")
    return sums.index(max(sums))


def group_accuracy(correct: Sequence[float] | Array, groups: Sequence[str]) -> dict[str, float]:
    """Mean ×100 of each group, in the order of first appearance.

    Args:
        correct: 1 or 0 for every question (the first column of `ChoiceAccuracy`'s statistics).
        groups: the group of every question, for example its `meta["group"]`.
    """
    found: dict[str, list[float]] = {}
    for value, group in zip(correct, groups, strict=True):
        found.setdefault(group, []).append(float(value))
    return {group: 100.0 * math.fsum(values) / len(values) for group, values in found.items()}


class ChoiceAccuracy(Metric):
    """Share of questions answered right, ×100. Unread answers are wrong and counted.

    An item has one reference, the letter of the right option (`yes` or `no` for rule mme, the
    accepted strings for rule contains), and its options in `meta["choices"]`.
    """

    name = "choice_acc"
    title = "accuracy"
    unit = "×100"
    higher_is_better = True
    range = (0.0, 100.0)
    columns = ("correct", "count", "unread")
    options: ClassVar[Mapping[str, Option]] = {
        "rule": Option("letter", tuple(PINNED), "how the answer is read from the output")
    }

    @property
    def reads_likelihood(self) -> bool:  # type: ignore[override]  # a setting decides
        """True for the rules that choose by log-likelihood."""
        return self.settings["rule"].startswith("loglik")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        need_references(self.name, items)
        verdicts = [judge(item, self.settings["rule"]) for item in items]
        rows = [[float(v.correct), 1.0, float(v.read is None)] for v in verdicts]
        details = [{"read": v.read} for v in verdicts]
        return Statistics(np.array(rows, dtype=np.float64).reshape(-1, 3), details)

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def keys(self) -> list[tuple[str, str]]:
        return [("rule", PINNED[self.settings["rule"]])]

    def note(self, statistics: Array) -> str:
        unread = int(statistics[:, 2].sum())
        return f"{unread} answers not parsed, counted as wrong" if unread else ""

"""VizWiz unanswerability: does a model say "unanswerable" where the question is?

Definition (Gurari et al., 2018, and the VizWiz API): the positive class is "not answerable"; a
prediction is positive when its normalised answer is exactly "unanswerable" (or by a confidence);
reported are the average precision of that score and F1 at > 0.5.

Average precision depends on the order of all samples at once, and sums cannot carry it:
`unanswerable_ap` is a function of all. But a text either says "unanswerable" or it does not, and
for a score of two values average precision is a function of counts: `UnanswerableAp` is a metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .base import Array, Item, Metric, Statistics, need_references
from .vqa_text import vizwiz_form

UNANSWERABLE = "unanswerable"
Numbers: TypeAlias = Sequence[float] | npt.NDArray[np.generic]


def says_unanswerable(prediction: str) -> bool:
    """Tell whether a prediction is "unanswerable" after VizWiz's normalisation."""
    return vizwiz_form(prediction) == UNANSWERABLE


def majority_answerable(answers: Sequence[str]) -> bool:
    """Tell whether the most frequent human answer (the first of equals) is an answer."""
    return Counter(answers).most_common(1)[0][0] != UNANSWERABLE


def average_precision(labels: Numbers, scores: Numbers) -> float:
    """Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores, from the highest down (as scikit-learn's).

    Equal scores are one threshold. NaN without a positive label.

    Args:
        labels: 1 for positive samples, 0 for the others.
        scores: the higher, the more positive.
    """
    label = np.asarray(labels, dtype=np.float64)
    score = np.asarray(scores, dtype=np.float64)
    if label.shape != score.shape or label.ndim != 1:
        raise ValueError(f"labels {label.shape} and scores {score.shape} must be equally long")
    if np.isnan(score).any():
        raise ValueError("scores must be numbers, found NaN")
    positives = label.sum()
    if positives == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    true = np.cumsum(label[order])[last]
    precision = true / (last + 1)
    gained = np.diff(true, prepend=0.0) / positives
    return float((gained * precision).sum())


def unanswerable_ap(answerable: Numbers, predicted_answerable: Numbers) -> float:
    """Average precision ×100 of 1 − `predicted_answerable` for the class "not answerable"."""
    label = 1.0 - np.asarray(answerable, dtype=np.float64)
    return 100.0 * average_precision(label, 1.0 - np.asarray(predicted_answerable, np.float64))


def unanswerable_f1(answerable: Numbers, predicted_answerable: Numbers) -> float:
    """F1 ×100 of "not answerable", predicted where 1 − `predicted_answerable` > 0.5."""
    positive = np.asarray(answerable, dtype=np.float64) < 0.5
    found = 1.0 - np.asarray(predicted_answerable, np.float64) > 0.5
    return float(_f1(_counts(positive, found).sum(axis=0)))


def _counts(positive: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Array:
    rows = [positive & found, ~positive & found, positive & ~found]
    return np.column_stack(rows).astype(np.float64)


def _f1(sums: Array) -> Array:
    hits, false_alarms, misses = sums[..., 0], sums[..., 1], sums[..., 2]
    with np.errstate(invalid="ignore"):
        result: Array = 200.0 * hits / (2 * hits + false_alarms + misses)
    return result


class UnanswerableF1(Metric):
    """F1 ×100 of "unanswerable"; the label is `meta["answerable"]`, else the majority answer.

    NaN where nothing is positive, neither in the labels nor in the predictions.
    """

    name = "unanswerable_f1"
    title = "unanswerability F1"
    unit = "×100"
    higher_is_better = True
    range = (0.0, 100.0)
    columns: ClassVar[tuple[str, ...]] = ("true_positive", "false_positive", "false_negative")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        return Statistics(_counts(*_labels(self.name, items)))

    def score(self, sums: Array) -> Array:
        return _f1(sums)


class UnanswerableAp(UnanswerableF1):
    """Average precision ×100 of "unanswerable", where the text alone says so or not.

    The score of a sample is 1 when its text is "unanswerable", else 0. With these two thresholds
    the definition comes to R·P + (1 - R)·π: recall R and precision P of saying it, and π the share
    of unanswerable questions. NaN without an unanswerable question.
    """

    name = "unanswerable_ap"
    title = "unanswerability AP"
    columns = (*UnanswerableF1.columns, "count")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        counts = super().statistics(items).values
        return Statistics(np.column_stack([counts, np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        hits, false_alarms, misses, count = (sums[..., column] for column in range(4))
        positives, said = hits + misses, hits + false_alarms
        with np.errstate(invalid="ignore", divide="ignore"):
            gained = np.where(hits > 0, hits / positives * (hits / said), 0.0)
            result: Array = 100.0 * (gained + (1 - hits / positives) * (positives / count))
        return result

    def per_sample(self, values: Array) -> Array:
        """Return NaN: a question alone has no ranking (a missed one would have 100, as a hit)."""
        return np.full(len(values), np.nan)

    def keys(self) -> list[tuple[str, str]]:
        return [("conf", "text")]


def _labels(
    name: str, items: Sequence[Item]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which questions have no answer, and of which the text says so."""
    need_references(name, items)
    positive = np.array([not _answerable(item) for item in items], dtype=np.bool_)
    return positive, np.array([says_unanswerable(item.text) for item in items], dtype=np.bool_)


def _answerable(item: Item) -> bool:
    label = item.meta.get("answerable")
    if label is None:
        return majority_answerable(item.references)
    if label not in (0, 1):
        raise ValueError(f"sample {item.id}: answerable must be 0 or 1, found {label!r}")
    return bool(label)

"""Scores that put the questions of one image or figure together: MME and HallusionBench.

Sources: MME's `calculation.py`; tianyi-lab/HallusionBench at 744007c, `utils.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

MME_PERCEPTION = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark"),
    *("artwork", "OCR"),
)
MME_COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)


@dataclass(frozen=True, slots=True)
class MmeScore:
    """MME: the score of every task, and the two sums (of at most 2000 and 800)."""

    tasks: Mapping[str, float]
    perception: float
    cognition: float


def mme_task(correct: Sequence[bool], images: Sequence[Hashable]) -> float:
    """Score one MME task: 100 · accuracy + 100 · share of images with all questions right.

    Args:
        correct: whether each question was answered right.
        images: the image of each question (two questions an image).
    """
    if not len(correct):
        raise ValueError("an MME task without questions has no score")
    return 100.0 * sum(map(bool, correct)) / len(correct) + 100.0 * _all_right(correct, images)


def mme_score(tasks: Mapping[str, tuple[Sequence[bool], Sequence[Hashable]]]) -> MmeScore:
    """Score all 14 MME tasks, given (correct, images) of each.

    Raises ValueError for a missing or unknown task: a partial sum is no MME score.
    """
    names = (*MME_PERCEPTION, *MME_COGNITION)
    if set(tasks) != set(names):
        raise ValueError(f"MME has the tasks {', '.join(names)}; got {', '.join(sorted(tasks))}")
    scores = {name: mme_task(*tasks[name]) for name in names}
    perception = sum(scores[name] for name in MME_PERCEPTION)
    return MmeScore(scores, perception, sum(scores[name] for name in MME_COGNITION))


@dataclass(frozen=True, slots=True)
class HallusionQuestion:
    """A question of HallusionBench and the judge's verdict: 1 right, 0 wrong, 2 uncertain."""

    category: str
    subcategory: str
    set_id: str
    figure_id: str
    question_id: str
    verdict: int

    @property
    def without_figure(self) -> bool:
        """The question is asked without its visual supplement."""
        return self.category == "VS" and self.figure_id == "0"

    @property
    def correct(self) -> bool:
        """Right; or uncertain where there is nothing to see."""
        return self.verdict == 1 or (self.without_figure and self.verdict == 2)


@dataclass(frozen=True, slots=True)
class HallusionScore:
    """HallusionBench, ×100: per question, per question over its figures, per figure."""

    a_acc: float
    q_acc: float
    f_acc: float


def hallusionbench(questions: Iterable[HallusionQuestion]) -> HallusionScore:
    """Score HallusionBench: aAcc, qAcc and fAcc.

    qAcc joins the same question over all figures of a set; fAcc joins all questions about a
    figure, and leaves out questions without one.
    """
    rows = list(questions)
    shown = [row for row in rows if not row.without_figure]
    if not shown:
        raise ValueError("HallusionBench needs questions about figures")
    pairs = [(r.category, r.subcategory, r.set_id, r.question_id) for r in rows]
    figures = [(r.category, r.subcategory, r.set_id, r.figure_id) for r in shown]
    correct = [row.correct for row in rows]
    return HallusionScore(
        a_acc=100.0 * sum(correct) / len(rows),
        q_acc=100.0 * _all_right(correct, pairs),
        f_acc=100.0 * _all_right([row.correct for row in shown], figures),
    )


def _all_right(correct: Sequence[bool], groups: Sequence[Hashable]) -> float:
    """Share of groups in which every question is right."""
    right: dict[Hashable, bool] = {}
    for value, group in zip(correct, groups, strict=True):
        right[group] = right.get(group, True) and bool(value)
    return sum(right.values()) / len(right)

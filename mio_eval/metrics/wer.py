"""Word and character error rates: edit counts per utterance, and rates from counts.

The counts and alignments are jiwer 4's (`process_words`, `process_characters` with their default
transforms): unit costs, case and punctuation kept. Texts are normalised before
(`mio_eval.metrics.normalizers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# [operation, reference start, reference end, hypothesis start, hypothesis end], ends excluded;
# the operation is equal, substitute, delete or insert, the positions count words or characters.
AlignmentOp: TypeAlias = list[str | int]

COLUMNS = ("substitutions", "deletions", "insertions", "reference_length")
_COLUMN_OF = {"substitute": 0, "delete": 1, "insert": 2}


@dataclass(frozen=True, slots=True, eq=False)
class EditStatistics:
    """Edit counts and alignments of n utterances, in the order they were given.

    Args:
        counts: int64, shape (n, 4), columns S, D, I, N (`COLUMNS`); N = hits + S + D is the
            length of the reference in words or characters. Rows add up.
        alignments: per utterance the operations that turn the reference into the hypothesis, left
            to right and without gaps; strict JSON. Empty when both texts are empty.
    """

    counts: NDArray[np.int64]
    alignments: list[list[AlignmentOp]]

    @property
    def empty_references(self) -> NDArray[np.bool_]:
        """Which references hold no word (no character): shape (n,). Callers report how many."""
        return np.equal(self.counts[:, 3], 0)


def word_statistics(references: Sequence[str], hypotheses: Sequence[str]) -> EditStatistics:
    """Count the word edits of each hypothesis against its reference.

    Words are what jiwer 4 makes them: runs of two or more white-space characters become one space,
    the ends are stripped, and then only a space separates words. A single tab, newline or no-break
    space inside a text is part of its word; the Whisper normalisers leave none.

    Time and memory: 2,620 utterances of 20 words take about 0.15 s. Time grows with the product
    of the two lengths, memory with their sum: two unrelated texts of 20,000 words take 0.1 s,
    of 200,000 words 15 s and under 100 MB.

    Args:
        references: n texts; an empty one is allowed, and its counts are (0, 0, I, 0).
        hypotheses: n texts, in the same order.

    Raises:
        TypeError: an argument is one string, or holds something that is not a string.
        ValueError: the lengths differ.
    """
    import jiwer

    return _statistics(jiwer.process_words, references, hypotheses)


def character_statistics(references: Sequence[str], hypotheses: Sequence[str]) -> EditStatistics:
    """Count the character edits of each hypothesis against its reference.

    The ends are stripped; every code point inside counts as one character, spaces too (jiwer 4).
    Arguments, result and errors are those of `word_statistics`; 2,620 utterances of about
    100 characters take about 0.2 s, and two unrelated texts of 100,000 characters 1 s.
    """
    import jiwer

    return _statistics(jiwer.process_characters, references, hypotheses)


def corpus_error_rate(sums: ArrayLike) -> NDArray[np.float64]:
    """Turn summed counts into error rates: (S + D + I) / N, as a ratio (1.0 is 100 %).

    Where N = 0 the rate is jiwer 4's: the number of insertions, so 0.0 when there is no error.

    Args:
        sums: shape (..., 4), columns S, D, I, N; sums over utterances, also weighted ones
            (resamples). The leading dimensions are kept.

    Returns:
        float64, shape (...); a 0-dimensional array for one row.

    Raises:
        ValueError: the last dimension is not 4.
    """
    counts = np.asarray(sums, dtype=np.float64)
    if counts.ndim == 0 or counts.shape[-1] != len(COLUMNS):
        raise ValueError(f"expected counts of shape (..., 4) for S, D, I, N, got {counts.shape}")
    length = counts[..., 3]
    rates: NDArray[np.float64] = np.asarray(
        counts[..., :3].sum(axis=-1) / np.where(length == 0, 1.0, length)
    )
    return rates


def utterance_error_rates(counts: ArrayLike) -> NDArray[np.float64]:
    """Return the error rate of each utterance, as a ratio: shape (n,) from counts of shape (n, 4).

    An empty reference gives its number of insertions, which is a count and no rate: see
    `EditStatistics.empty_references`.

    Raises:
        ValueError: the shape is not (n, 4).
    """
    rates = corpus_error_rate(counts)
    if rates.ndim != 1:
        raise ValueError(f"expected counts of shape (n, 4), got {np.shape(counts)}")
    return rates


def _statistics(
    process: Any,
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> EditStatistics:
    """Run one jiwer call over all utterances and count its alignment per utterance."""
    for role, texts in (("references", references), ("hypotheses", hypotheses)):
        if isinstance(texts, str):
            raise TypeError(f"{role} must be a sequence of texts, not one string")
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"{role}[{index}] is {type(text).__name__}, expected a string")
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references but {len(hypotheses)} hypotheses")
    counts = np.zeros((len(references), len(COLUMNS)), dtype=np.int64)
    if not len(references):  # jiwer makes one empty utterance of no utterances
        return EditStatistics(counts, [])
    output = process(list(references), list(hypotheses))
    alignments: list[list[AlignmentOp]] = []
    for row, reference, chunks in zip(counts, output.references, output.alignments, strict=True):
        row[3] = len(reference)
        operations: list[AlignmentOp] = []
        for chunk in chunks:
            start, end = chunk.ref_start_idx, chunk.ref_end_idx
            hyp_start, hyp_end = chunk.hyp_start_idx, chunk.hyp_end_idx
            operations.append([chunk.type, start, end, hyp_start, hyp_end])
            if chunk.type != "equal":
                row[_COLUMN_OF[chunk.type]] += max(end - start, hyp_end - hyp_start)
        alignments.append(operations)
    return EditStatistics(counts, alignments)

"""BLEU from summable statistics: Papineni et al., "BLEU" (ACL 2002).

As pycocoevalcap 1.2 computes it: n-grams of 1 to 4 tokens, the closest reference length, and two
small constants in place of smoothing, so that a perfect corpus scores 0.9999999998. The statistics
of any set of captions are the sums of theirs, and one formula serves a corpus and a caption.

The reading of token lists that BLEU, ROUGE-L and CIDEr-D share is here as well.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

ORDERS = 4
STATISTICS = 2 + 2 * ORDERS
_TINY = 1e-15  # added to what is divided: a caption without matches gets almost 0
_SMALL = 1e-9  # added to what divides: no division by zero
_CHUNK = 4096  # images at a time: bounds the memory, cannot change a statistic


def bleu_statistics(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> Ints:
    """Count what BLEU needs, per image.

    Args:
        hypotheses: by image, the tokens of its caption.
        references: by image, by reference, its tokens.

    Returns:
        int64 (n, 10): the caption's length; the reference length closest to it (the shorter of
        two equally close ones); its n-grams of 1, 2, 3 and 4 tokens; those of them that are
        correct, each n-gram at most as often as in the reference that has it most often.

    Raises:
        TypeError: a caption is a string instead of a list of tokens.
        ValueError: the lengths differ, or an image has no reference.
    """
    check_captions(hypotheses, references)
    parts = [
        _statistics(hypotheses[i : i + _CHUNK], references[i : i + _CHUNK])
        for i in range(0, len(hypotheses), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, STATISTICS), dtype=np.int64)


def bleu_from_statistics(stats: NDArray[Any], order: int) -> Floats:
    """Return BLEU of the given order, from 0 to 1.

    Args:
        stats: (..., 10), as from `bleu_statistics`: a row per image, or sums of such rows.
        order: the longest n-gram, 1 to 4.

    Returns:
        float64 (...): one BLEU per row. Of a sum of rows it is the BLEU of their corpus.
    """
    if not 1 <= order <= ORDERS:
        raise ValueError(f"BLEU's order is 1 to {ORDERS}, not {order}")
    stats = np.asarray(stats)
    if stats.shape[-1:] != (STATISTICS,):
        raise ValueError(f"expected (..., {STATISTICS}) statistics, got {stats.shape}")
    rows = stats.reshape(-1, STATISTICS).astype(np.float64)
    guess, correct = rows[:, 2 : 2 + ORDERS], rows[:, 2 + ORDERS :]
    product = np.ones(len(rows))
    for k in range(order):
        product = product * ((correct[:, k] + _TINY) / (guess[:, k] + _SMALL))
    ratio = (rows[:, 0] + _TINY) / (rows[:, 1] + _SMALL)
    # numpy's own power and exp may differ in the last bit from one processor to another.
    scores = [
        p ** (1.0 / order) * (math.exp(1 - 1 / r) if r < 1 else 1.0)
        for p, r in zip(product.tolist(), ratio.tolist(), strict=True)
    ]
    return np.array(scores, dtype=np.float64).reshape(stats.shape[:-1])


def sentence_bleu(stats: NDArray[Any], order: int) -> Floats:
    """Return BLEU of each single caption, float64 (n,), from statistics (n, 10).

    The reference implementation has one formula, and one pair of constants, for both: this is
    `bleu_from_statistics` by the name that says what is meant. The mean is not the corpus's BLEU.
    """
    return bleu_from_statistics(stats, order)


def check_captions(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> None:
    """Raise ValueError unless each hypothesis has one reference or more."""
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} lists of references")
    for image, group in enumerate(references):
        if not group:
            raise ValueError(f"no reference for the caption with index {image}")


def intern_tokens(
    captions: Iterable[Sequence[str]], vocabulary: defaultdict[str, int]
) -> tuple[Ints, Ints]:
    """Return all captions' token ids one after another, and the length of each caption.

    Raises TypeError when a caption is a string, whose letters would pass for tokens.
    """
    captions = list(captions)
    for caption in captions:
        if isinstance(caption, str):
            raise TypeError(f"expected a list of tokens, got the string {caption[:60]!r}")
    sizes = np.fromiter(map(len, captions), dtype=np.int64, count=len(captions))
    ids = map(vocabulary.__getitem__, chain.from_iterable(captions))
    return np.fromiter(ids, dtype=np.int64, count=int(sizes.sum())), sizes


def tokens_left(sizes: Ints) -> Ints:
    """Return, for each token of each caption, how many there are from it to the caption's end."""
    return np.repeat(np.cumsum(sizes), sizes) - np.arange(sizes.sum())


def look_up(needles: Ints, keys: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the position of each needle in the sorted keys, and whether it is there."""
    if not len(keys):
        return np.zeros(len(needles), dtype=np.int64), np.zeros(len(needles), dtype=np.bool_)
    position = np.minimum(np.searchsorted(keys, needles), len(keys) - 1)
    return position, keys[position] == needles


def _statistics(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> Ints:
    n = len(hypotheses)
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    mine, sizes = intern_tokens(hypotheses, vocabulary)
    theirs, ref_sizes = intern_tokens(chain.from_iterable(references), vocabulary)
    groups = np.fromiter(map(len, references), dtype=np.int64, count=n)
    numbers = np.arange(max(n, len(ref_sizes)), dtype=np.int64)
    ref_image = np.repeat(numbers[:n], groups)

    stats = np.empty((n, STATISTICS), dtype=np.int64)
    stats[:, 0] = sizes
    stats[:, 1] = _closest(ref_sizes, sizes[ref_image], ref_image)
    for k in range(ORDERS):
        stats[:, 2 + k] = np.maximum(sizes - k, 0)

    left, ref_left = tokens_left(sizes), tokens_left(ref_sizes)
    at, image = np.arange(len(mine)), np.repeat(numbers[:n], sizes)
    ref_at, ref_caption = np.arange(len(theirs)), np.repeat(numbers[: len(ref_sizes)], ref_sizes)
    # An n-gram is known by its image or, from the second order on, by its first n-1 tokens
    # (which know theirs), and by its last token. Only hypotheses' n-grams matter.
    ids, ref_ids = image, ref_image[ref_caption]
    for k in range(ORDERS):
        more = left[at] > k
        at, image = at[more], image[more]
        keys, ids, count = np.unique(
            ids[more] << 32 | mine[at + k], return_inverse=True, return_counts=True
        )
        ref_more = ref_left[ref_at] > k
        ref_at, ref_caption = ref_at[ref_more], ref_caption[ref_more]
        ref_ids, found = look_up(ref_ids[ref_more] << 32 | theirs[ref_at + k], keys)
        ref_at, ref_caption, ref_ids = ref_at[found], ref_caption[found], ref_ids[found]

        pairs, times = np.unique(ref_caption << 32 | ref_ids, return_counts=True)
        most = np.zeros(len(keys), dtype=np.int64)
        np.maximum.at(most, pairs & 0xFFFFFFFF, times)
        owner = np.empty(len(keys), dtype=np.int64)
        owner[ids] = image
        correct = np.zeros(n, dtype=np.int64)
        np.add.at(correct, owner, np.minimum(count, most))
        stats[:, 2 + ORDERS + k] = correct
    return stats


def _closest(lengths: Ints, target: Ints, image: Ints) -> Ints:
    """Return, per image, the length nearest to its target; the shorter one of two."""
    order = np.lexsort((lengths, np.abs(lengths - target), image))
    _, first = np.unique(image, return_index=True)
    return lengths[order[first]]

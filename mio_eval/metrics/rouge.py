"""ROUGE-L: Lin, "ROUGE" (2004), as the COCO caption server computes it (pycocoevalcap 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from rapidfuzz.distance import LCSseq

from mio_eval.metrics.bleu import Floats, check_captions

BETA = 1.2
_CHUNK = 4096  # images at a time: keeps the ids below the greatest code point


def rouge_l(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> Floats:
    """Score one caption per image with ROUGE-L, from 0 to 1; the corpus score is the mean.

    The longest common subsequence gives a precision and a recall for each reference. As in the
    reference implementation, the best precision and the best recall may come from different
    references, and a caption without tokens counts as one empty token: two such captions agree.

    Args:
        hypotheses: by image, the tokens of its caption.
        references: by image, by reference, its tokens.

    Returns:
        float64 (n,).

    Raises:
        TypeError: a caption is a string instead of a list of tokens.
        ValueError: the lengths differ, or an image has no reference.
    """
    check_captions(hypotheses, references)
    parts = [
        _rouge_l(hypotheses[i : i + _CHUNK], references[i : i + _CHUNK])
        for i in range(0, len(hypotheses), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)


def _rouge_l(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> Floats:
    for caption in chain(hypotheses, chain.from_iterable(references)):
        if isinstance(caption, str):
            raise TypeError(f"expected a list of tokens, got the string {caption[:60]!r}")
    # One character per distinct token: strings are compared fast, and without hashing. Tokens
    # that no hypothesis has share the character 0, which no hypothesis has.
    distinct = dict.fromkeys(chain.from_iterable(hypotheses))
    characters = {token: chr(i) for i, token in enumerate(distinct, start=1)}
    characters[""] = chr(len(characters) + 1)
    empty = characters[""]

    lcs: list[int] = []
    mine: list[int] = []
    theirs: list[int] = []
    similarity = LCSseq.similarity
    for hypothesis, group in zip(hypotheses, references, strict=True):
        h = "".join([characters[t] for t in hypothesis]) or empty
        for reference in group:
            r = "".join([characters.get(t, "\0") for t in reference]) or empty
            lcs.append(similarity(h, r))
            mine.append(len(h))
            theirs.append(len(r))
    starts = np.cumsum([0, *map(len, references[:-1])])
    common = np.array(lcs, dtype=np.float64)
    precision = np.maximum.reduceat(common / np.array(mine), starts)
    recall = np.maximum.reduceat(common / np.array(theirs), starts)
    top = (1 + BETA**2) * precision * recall
    # Where either is 0, so is the other: nothing is in common with any reference.
    return np.divide(top, recall + BETA**2 * precision, out=np.zeros(len(top)), where=top != 0)

"""CIDEr-D: how well a caption agrees with the consensus of its image's references.

Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation" (CVPR 2015),
in the variant of the COCO caption server, as pycocoevalcap 1.2 computes it: n-grams of 1 to 4
tokens, raw counts times idf, counts clipped to the reference, a Gaussian penalty on the difference
in length, the mean over orders and references, times 10.

Every sum runs over the n-grams of one caption in their order of appearance, and every logarithm
comes from `math.log`. An image's score therefore has the same bits whatever else is scored with
it, and in whatever order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from mio_eval.metrics.bleu import (
    Floats,
    Ints,
    check_captions,
    intern_tokens,
    look_up,
    tokens_left,
)

ORDERS = 4
SIGMA = 6.0
_CHUNK = 2048  # images at a time: bounds the memory, cannot change a score
_SHIFT = 32  # an n-gram's key is (id of its first n-1 tokens) << 32 | (id of its last token)
_TOKEN = (1 << _SHIFT) - 1


@dataclass(frozen=True, slots=True, eq=False)
class DocumentFrequencies:
    """In how many images' references each n-gram occurs.

    Attributes:
        n_images: the number of images counted.
        vocabulary: token to id, 0..V-1; the id of a unigram is that of its token.
        keys: for the orders 2, 3 and 4, the sorted keys of the n-grams seen; an n-gram's id is
            its position here, and its key is (id of its first n-1 tokens) << 32 | last token's id.
        counts: for the orders 1 to 4, the number of images by n-gram id, at least 1.
        idf: by number of images d, log(n_images) - log(max(1, d)), up to the greatest count.
    """

    n_images: int
    vocabulary: Mapping[str, int]
    keys: tuple[Ints, ...]
    counts: tuple[Ints, ...]
    idf: Floats


def document_frequencies(references: Sequence[Sequence[Sequence[str]]]) -> DocumentFrequencies:
    """Count, for each n-gram of 1 to 4 tokens, the images whose references contain it.

    Args:
        references: by image, by reference, its tokens.

    Raises:
        TypeError: a reference is a string instead of a list of tokens.
    """
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    tokens, sizes = intern_tokens(chain.from_iterable(references), vocabulary)
    images = np.repeat(
        np.repeat(np.arange(len(references), dtype=np.int64), _lengths(references)), sizes
    )
    left = tokens_left(sizes)

    keys: list[Ints] = []
    counts: list[Ints] = []
    at = np.arange(len(tokens))
    ids = tokens
    for order in range(1, ORDERS + 1):
        if order > 1:
            at, ids = _extend(at, ids, tokens, left[at] >= order, order)
        # Stable, so that the images of each n-gram come in ascending order.
        by_key = _stable_argsort(ids, len(vocabulary))
        seen = ids[by_key]
        new_key = _changes(seen)
        rank = np.cumsum(new_key) - 1
        counts.append(np.bincount(rank[new_key | _changes(images[at[by_key]])]))
        if order > 1:
            keys.append(seen[new_key])
            ids = np.empty_like(ids)
            ids[by_key] = rank

    log_n = math.log(max(1, len(references)))
    most = max((int(c.max()) for c in counts if len(c)), default=0)
    idf = np.array([log_n - math.log(max(1, d)) for d in range(most + 1)])
    return DocumentFrequencies(len(references), dict(vocabulary), tuple(keys), tuple(counts), idf)


def cider_d(
    hypotheses: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    df: DocumentFrequencies,
) -> Floats:
    """Score one caption per image with CIDEr-D, from 0 to 10; the corpus score is the mean.

    Args:
        hypotheses: by image, the tokens of its caption.
        references: by image, by reference, its tokens.
        df: the document frequencies of the whole split. They may come from more images than are
            scored: then the score of an image does not depend on which others are scored.

    Returns:
        One score per image, float64 (n,). All are 0 where df counts a single image.

    Raises:
        TypeError: a caption is a string instead of a list of tokens.
        ValueError: the lengths differ, or an image has no reference.
    """
    check_captions(hypotheses, references)
    parts = [
        _scores(hypotheses[i : i + _CHUNK], references[i : i + _CHUNK], df)
        for i in range(0, len(hypotheses), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)


def _scores(
    hypotheses: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    df: DocumentFrequencies,
) -> Floats:
    """Score some images. Captions are numbered: the hypotheses, then the references by image."""
    n = len(hypotheses)
    vocabulary: defaultdict[str, int] = defaultdict(int, df.vocabulary)
    vocabulary.default_factory = vocabulary.__len__  # gives ids to the tokens that df lacks
    tokens, sizes = intern_tokens(chain(hypotheses, chain.from_iterable(references)), vocabulary)
    group_sizes = _lengths(references)
    numbers = np.arange(n + int(group_sizes.sum()), dtype=np.int64)
    ref_image = np.repeat(numbers[:n], group_sizes)
    image = np.concatenate([numbers[:n], ref_image])
    left = tokens_left(sizes)
    # The reference implementation takes the number of bigrams for the length.
    lengths = np.maximum(sizes - 1, 0)
    penalty = _penalty(lengths[ref_image] - lengths[n:])

    total = np.zeros(n)
    at = np.arange(len(tokens))
    caption = np.repeat(numbers, sizes)
    ids = tokens
    repeated = np.ones(len(at), dtype=np.bool_)
    in_hypothesis = caption >= n
    for order in range(1, ORDERS + 1):
        if order > 1:
            more = left[at] >= order
            caption, repeated, in_hypothesis = caption[more], repeated[more], in_hypothesis[more]
            at, ids = _extend(at, ids, tokens, more, order)
            ids = _ids(ids, df.keys[order - 2], len(vocabulary))
        weight, repeated = _counts(caption, ids, repeated)
        weight = weight * _idf(ids, df.counts[order - 1], df.idf)
        norm = np.sqrt(np.bincount(caption, weight * weight, minlength=len(sizes)))

        mine, theirs = _shared(image[caption], ids, int(np.searchsorted(caption, n)), in_hypothesis)
        in_hypothesis = np.zeros(len(at), dtype=np.bool_)
        in_hypothesis[theirs] = True
        # In the order of the hypothesis, like the reference implementation: the same rounding.
        in_turn = np.lexsort((mine, caption[theirs]))
        mine, theirs = mine[in_turn], theirs[in_turn]
        products = np.minimum(weight[mine], weight[theirs]) * weight[theirs]
        dot = np.bincount(caption[theirs] - n, products, minlength=len(ref_image))

        norms = norm[ref_image] * norm[n:]
        cosine = np.divide(dot, norms, out=np.zeros(len(dot)), where=norms != 0)
        total += np.bincount(ref_image, cosine * penalty, minlength=n)
    return total / ORDERS / group_sizes * 10.0


def _extend(
    at: Ints, ids: Ints, tokens: Ints, more: NDArray[np.bool_], order: int
) -> tuple[Ints, Ints]:
    """Return the places of the n-grams of this order, and their keys, from those one shorter."""
    at = at[more]
    return at, ids[more] << _SHIFT | tokens[at + order - 1]


def _stable_argsort(ids: Ints, n_tokens: int) -> Ints:
    """Return what sorts n-grams' keys, equal ones in their order: np.argsort, in half the time.

    numpy sorts 16-bit numbers by radix; so this goes through the keys by 16 bits, lowest first.
    """
    token_bits = n_tokens.bit_length()
    packed = ids >> _SHIFT << token_bits | ids & _TOKEN  # without the unused bits in between
    order = np.argsort(packed.astype(np.uint16), kind="stable")
    for shift in range(16, int(packed.max(initial=0)).bit_length(), 16):
        digits = (packed >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _ids(needles: Ints, keys: Ints, n_tokens: int) -> Ints:
    """Return n-grams' ids: the positions of their keys, and the next numbers for unknown ones."""
    in_order = _stable_argsort(needles, n_tokens)  # faster to look up
    ordered = needles[in_order]
    new = _changes(ordered)
    ids, known = look_up(ordered[new], keys)
    unknown = np.flatnonzero(~known)
    ids[unknown] = len(keys) + np.arange(len(unknown))
    result = np.empty_like(needles)
    result[in_order] = ids[np.cumsum(new) - 1]
    return result


def _idf(ids: Ints, counts: Ints, idf: Floats) -> Floats:
    """Return the idf of n-grams; one that no image's references contain counts as in one."""
    known = ids < len(counts)
    documents = np.zeros(len(ids), dtype=np.int64)
    documents[known] = counts[ids[known]]
    return idf[documents]


def _counts(
    caption: Ints, ids: Ints, may_repeat: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how often the n-gram at each place is in its caption, and whether more than once.

    The count stands at the first place of an n-gram; its other places hold 0. Only n-grams whose
    first n-1 tokens are repeated can be: the others need no sorting.
    """
    count = np.ones(len(ids))
    repeated = np.zeros(len(ids), dtype=np.bool_)
    candidates = np.flatnonzero(may_repeat)
    keys = caption[candidates] << _SHIFT | ids[candidates]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(_changes(keys[order]))
    times = np.diff(starts, append=len(keys))
    count[candidates] = 0.0
    count[candidates[order[starts]]] = times
    repeated[candidates[order]] = np.repeat(times > 1, times)
    return count, repeated


def _shared(
    image: Ints, ids: Ints, n_mine: int, candidates: NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """Return the places where a reference has an n-gram of its image's hypothesis.

    The first of the two arrays has the n-gram's first place in the hypothesis. Only n-grams whose
    first n-1 tokens are in the hypothesis can be: the others are no candidates.
    """
    keys, first = np.unique(image[:n_mine] << _SHIFT | ids[:n_mine], return_index=True)
    theirs = np.flatnonzero(candidates)
    position, found = look_up(image[theirs] << _SHIFT | ids[theirs], keys)
    return first[position[found]], theirs[found]


def _penalty(differences: Ints) -> Floats:
    """Return exp(-d^2 / 2 sigma^2) by `math`, once for each distinct difference in length."""
    distinct, where = np.unique(differences, return_inverse=True)
    values = [math.e ** (-(float(d) ** 2) / (2 * SIGMA**2)) for d in distinct.tolist()]
    return np.array(values, dtype=np.float64)[where]


def _lengths(groups: Sequence[Sequence[object]]) -> Ints:
    return np.fromiter(map(len, groups), dtype=np.int64, count=len(groups))


def _changes(values: Ints) -> NDArray[np.bool_]:
    """Return where a value differs from the one before it; the first one does."""
    changed = np.ones(len(values), dtype=np.bool_)
    changed[1:] = values[1:] != values[:-1]
    return changed

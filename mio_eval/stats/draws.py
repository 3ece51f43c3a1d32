"""Which clusters a resample draws, and which ones a randomisation swaps.

Only the raw stream of PCG64 is used, which numpy guarantees not to change, so the draws are the
same on every machine. Draw number i of the stream belongs to resample i // n: blocks of resamples
can be drawn apart, and in threads, by advancing the stream.
"""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]
Scheme: TypeAlias = Literal["mio", "sacrebleu"]

_CHUNK = 1 << 17  # draws made at once: they stay in the processor's cache
_WORD = 64


def bootstrap_weights(clusters: int, first: int, count: int, seed: int) -> Weights:
    """Return how often each cluster is drawn in resamples first … first + count - 1.

    Shape (count, clusters). The upper 32 bits of a draw times the number of clusters, shifted
    down, name the cluster: uniform within 2⁻³².
    """
    generator = np.random.PCG64(seed)
    generator.advance(first * clusters)
    weights = np.zeros((count, clusters), dtype=np.float32)
    flat = weights.reshape(-1)
    step = max(1, _CHUNK // clusters)
    one = np.float32(1.0)
    for start in range(0, count, step):
        rows = min(step, count - start)
        index = _raw(generator, rows * clusters)
        index >>= np.uint64(32)
        index *= np.uint64(clusters)
        index >>= np.uint64(32)
        if rows > 1 or start:
            offsets = np.arange(start, start + rows, dtype=np.uint64) * np.uint64(clusters)
            index.reshape(rows, clusters)[...] += offsets[:, None]
        np.add.at(flat, index.view(np.int64), one)
    return weights


def swap_masks(clusters: int, first: int, count: int, seed: int) -> Weights:
    """Return 1 where a cluster's two systems are swapped, else 0, for `count` trials.

    Shape (count, clusters). A trial takes the next ⌈clusters / 64⌉ draws, a bit a cluster, the
    lowest bit first.
    """
    words = -(-clusters // _WORD)
    generator = np.random.PCG64([seed, 1])  # a stream of its own: not the bootstrap's
    generator.advance(first * words)
    raw = _raw(generator, count * words).astype("<u8").view(np.uint8).reshape(count, words * 8)
    bits = np.unpackbits(raw, axis=1, count=clusters, bitorder="little")
    return bits.astype(np.float32)


def sacrebleu_weights(clusters: int, resamples: int, seed: int) -> Weights:
    """Return the weights of sacrebleu 2.6's paired bootstrap with this seed."""
    index = np.random.default_rng(seed).choice(clusters, size=(resamples, clusters), replace=True)
    weights = np.zeros((resamples, clusters), dtype=np.float32)
    np.add.at(weights, (np.arange(resamples)[:, None], index), np.float32(1.0))
    return weights


def sacrebleu_masks(clusters: int, trials: int, seed: int) -> Weights:
    """Return the swaps of sacrebleu 2.6's approximate randomisation with this seed.

    It selects the baseline where a bit is set, so what it calls the first system is ours swapped
    where the bit is not; the absolute difference is the same.
    """
    keep = np.random.default_rng(seed).integers(2, size=(trials, clusters), dtype=bool)
    return (~keep).astype(np.float32)


@functools.cache
def _integers_are_raw() -> bool:
    """Tell whether numpy's 64-bit integers are the raw stream, as they have always been."""
    drawn = np.random.Generator(np.random.PCG64(7)).integers(
        0, 2**64 - 1, size=8, dtype=np.uint64, endpoint=True
    )
    return bool(np.array_equal(drawn, np.random.PCG64(7).random_raw(8)))


def _raw(generator: np.random.PCG64, size: int) -> npt.NDArray[np.uint64]:
    """Take the next draws of the stream. `random_raw` takes a lock for each: it is slow."""
    if not _integers_are_raw():
        return generator.random_raw(size)
    return np.random.Generator(generator).integers(
        0, 2**64 - 1, size=size, dtype=np.uint64, endpoint=True
    )

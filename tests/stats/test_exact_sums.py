"""Weighted sums that are the same on every machine, whatever the block, the threads or the BLAS."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mio_eval.stats import bootstrap
from mio_eval.stats.draws import bootstrap_weights, swap_masks
from mio_eval.stats.exact import ExactColumns

RNG = np.random.default_rng(3)
TABLES = {
    "right or wrong": RNG.integers(0, 2, (300, 2)).astype(float),
    "counts beyond single precision": RNG.integers(0, 1_000_000, (300, 2)).astype(float),
    "fractions": RNG.random((300, 3)),
    "negative": RNG.standard_normal((300, 2)),
    "tiny beside large": RNG.random((300, 2)) * 10.0 ** RNG.integers(-18, 12, (300, 2)),
    "constant": np.full((300, 1), 0.1),
    "zero": np.zeros((300, 1)),
}


@pytest.mark.parametrize("name", TABLES)
def test_like_rational_numbers(name):
    """Against sums of fractions, which round nowhere; at most the last bit may differ."""
    table = TABLES[name]
    weights = bootstrap_weights(300, 0, 20, 1)
    assert np.array_equal(weights.sum(axis=1), np.full(20, 300.0))
    found = ExactColumns(table, 300, fixed=True).sums(weights)
    for row in range(20):
        for column in range(table.shape[1]):
            true = sum(
                int(w) * Fraction(v)
                for w, v in zip(weights[row].tolist(), table[:, column].tolist(), strict=True)
            )
            assert found[row, column] == pytest.approx(float(true), rel=2**-52, abs=0)
            if name != "tiny beside large":
                assert found[row, column] == float(true)


def test_order_of_addition_does_not_matter():
    """The same sums bit for bit with the clusters in another order: what a BLAS may do."""
    table = TABLES["fractions"]
    weights = bootstrap_weights(300, 0, 50, 1)
    order = RNG.permutation(300)
    whole = ExactColumns(table, 300, fixed=True).sums(weights)
    mixed = ExactColumns(table[order], 300, fixed=True).sums(
        np.ascontiguousarray(weights[:, order])
    )
    assert np.array_equal(whole, mixed)


def test_masks_do_not_take_columns_for_constant():
    masks = swap_masks(300, 0, 40, 5)
    assert set(np.unique(masks)) == {0.0, 1.0}
    found = ExactColumns(np.ones((300, 1)), 300).sums(masks)
    assert np.array_equal(found[:, 0], masks.sum(axis=1))
    assert 110 < found.mean() < 190


@pytest.mark.parametrize("clusters", [2, 63, 64, 65, 1000])
def test_draws_do_not_depend_on_where_a_block_begins(clusters):
    for draw in (bootstrap_weights, swap_masks):
        whole = draw(clusters, 0, 30, 9)
        parts = np.concatenate([draw(clusters, first, 10, 9) for first in (0, 10, 20)])
        assert np.array_equal(whole, parts)


def test_threads_do_not_matter(monkeypatch):
    table = RNG.random((2000, 3))
    one = bootstrap.resampled_sums(table, 5000, 4)  # above a block: in threads
    monkeypatch.setattr(bootstrap, "_THREADS", 1)
    assert np.array_equal(bootstrap.resampled_sums(table, 5000, 4), one)


def test_random_raw_gives_the_same_draws(monkeypatch):
    """Where numpy's integers were not the raw stream any more, the slow way takes over."""
    from mio_eval.stats import draws

    fast = bootstrap_weights(50, 3, 20, 1)
    monkeypatch.setattr(draws, "_integers_are_raw", lambda: False)
    assert np.array_equal(bootstrap_weights(50, 3, 20, 1), fast)

"""Sums are correctly rounded, so that a score can be recomputed bit for bit."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mio_eval.stats import column_sums, group_sums

numbers = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40), st.randoms())
def test_column_sums_are_correctly_rounded_in_any_order(rows, chance):
    exact = [float(sum(map(Fraction, column))) for column in zip(*rows, strict=True)]
    assert column_sums(np.array(rows)).tolist() == exact
    chance.shuffle(rows)
    assert column_sums(np.array(rows)).tolist() == exact


def test_where_plain_addition_fails():
    values = np.array([[1e16], [1.0], [-1e16]])
    assert values.sum() != 1.0
    assert column_sums(values).tolist() == [1.0]


def test_no_rows():
    assert column_sums(np.empty((0, 3))).tolist() == [0.0, 0.0, 0.0]


def test_group_sums():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    sums, names = group_sums(values, ["b", "a", "b"])
    assert names == ["a", "b"]
    assert sums.tolist() == [[2.0, 20.0], [5.0, 50.0]]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(-99, 99)), min_size=1))
def test_group_sums_keep_the_total(rows):
    sums, names = group_sums(np.array([[n] for _, n in rows], dtype=float), [g for g, _ in rows])
    assert names == sorted({g for g, _ in rows})
    for name, total in zip(names, sums[:, 0], strict=True):
        assert total == math.fsum(n for g, n in rows if g == name)


def test_groups_of_one_do_not_depend_on_order():
    rng = random.Random(1)
    rows = [(f"id{i}", rng.random()) for i in range(500)]
    sums, _ = group_sums(np.array([[v] for _, v in rows]), [g for g, _ in rows])
    rng.shuffle(rows)
    again, _ = group_sums(np.array([[v] for _, v in rows]), [g for g, _ in rows])
    assert np.array_equal(sums, again)

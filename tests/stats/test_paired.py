"""Paired tests: their definitions, ties, levels, shared draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mio_eval.stats import Pair, paired_test, paired_tests


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def table(values):
    return np.column_stack([values, np.ones(len(values))])


def naive(a, b, clusters, resamples, seed):
    """Both tests, one draw at a time."""
    names = sorted(set(clusters))
    rows = [[i for i, c in enumerate(clusters) if c == name] for name in names]

    def score(values, picked):
        return math.fsum(values[i] for i in picked) / len(picked)

    actual = score(b, range(len(b))) - score(a, range(len(a)))
    stream = np.random.PCG64(seed)
    drawn = []
    for _ in range(resamples):
        picks = [int(stream.random_raw()) >> 32 for _ in names]
        chosen = [i for pick in picks for i in rows[pick * len(names) >> 32]]
        drawn.append(score(b, chosen) - score(a, chosen))
    centre = sum(drawn) / resamples
    large = sum(abs(d - centre) >= abs(actual) * (1 - 1e-12) for d in drawn)
    coins = np.random.PCG64([seed, 1])
    swapped = 0
    for _ in range(resamples):
        words = [int(coins.random_raw()) for _ in range(-(-len(names) // 64))]
        one, two = list(a), list(b)
        for number in range(len(names)):
            if words[number // 64] >> (number % 64) & 1:
                for i in rows[number]:
                    one[i], two[i] = two[i], one[i]
        gap = score(two, range(len(a))) - score(one, range(len(a)))
        swapped += abs(gap) >= abs(actual) * (1 - 1e-12)
    return (large + 1) / (resamples + 1), (swapped + 1) / (resamples + 1)


@pytest.mark.parametrize("per_cluster", [1, 3])
def test_equals_the_definition(per_cluster):
    rng = np.random.default_rng(6)
    a, b = rng.random(210), rng.random(210) + 0.03
    clusters = [f"{i // per_cluster:03}" for i in range(210)]
    found = paired_test(table(a), table(b), clusters, mean, resamples=300, trials=300, seed=8)
    p_bootstrap, p_randomisation = naive(a.tolist(), b.tolist(), clusters, 300, 8)
    assert found.p_bootstrap == pytest.approx(p_bootstrap)
    assert found.p_randomisation == pytest.approx(p_randomisation)
    assert found.difference == pytest.approx(b.mean() - a.mean(), abs=1e-12)


def test_close_to_a_paired_t_test():
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(2)
    a = rng.random(500)
    b = a + rng.normal(0.012, 0.15, 500)
    found = paired_test(table(a), table(b), [f"{i:03}" for i in range(500)], mean)
    p = ttest_rel(a, b).pvalue
    assert 0.01 < p < 0.2
    assert found.p_bootstrap == pytest.approx(p, abs=0.02)
    assert found.p_randomisation == pytest.approx(p, abs=0.02)
    error = (b - a).std(ddof=1) / math.sqrt(500)
    assert found.standard_error == pytest.approx(error, rel=0.03)


def test_close_to_scipys_permutation_test():
    from scipy.stats import permutation_test

    rng = np.random.default_rng(5)
    a, b = rng.random(12), rng.random(12) + 0.15
    exact = permutation_test(
        (a, b),
        lambda x, y, axis: (y - x).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    found = paired_test(table(a), table(b), [f"{i:02}" for i in range(12)], mean)
    assert found.p_randomisation == pytest.approx(exact, abs=0.015)


def test_level_is_kept_without_a_difference():
    """Of 400 comparisons of equal systems about 5 in 100 have p ≤ 0.05."""
    rng = np.random.default_rng(9)
    clusters = [f"{i:02}" for i in range(80)]
    pairs = [Pair(table(rng.random(80)), table(rng.random(80)), mean) for _ in range(400)]
    found = paired_tests(pairs, clusters, resamples=600, trials=600)
    for p in ([f.p_bootstrap for f in found], [f.p_randomisation for f in found]):
        assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_equal_systems_have_p_1():
    same = table(np.random.default_rng(1).random(30))
    found = paired_test(same, same, [str(i) for i in range(30)], mean, resamples=100, trials=100)
    assert (found.p_bootstrap, found.p_randomisation) == (1.0, 1.0)
    assert (found.difference, found.low, found.high, found.standard_error) == (0, 0, 0, 0)


def test_metrics_tested_together_are_as_if_alone():
    rng = np.random.default_rng(4)
    clusters = [f"{i % 20:02}" for i in range(100)]
    pairs = [Pair(table(rng.random(100)), table(rng.random(100)), mean) for _ in range(3)]
    together = paired_tests(pairs, clusters, resamples=200, trials=200)
    for pair, found in zip(pairs, together, strict=True):
        alone = paired_test(pair.first, pair.second, clusters, mean, resamples=200, trials=200)
        assert alone == found


def test_nothing_to_resample():
    found = paired_test(table(np.ones(4)), table(np.zeros(4)), ["one"] * 4, mean)
    assert (found.difference, found.low, found.p_bootstrap, found.clusters) == (-1, None, None, 1)
    assert paired_tests([], []) == []


def test_undefined_resamples_are_not_tested():
    a, b = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [0.0, 0.0]])
    with np.errstate(all="ignore"):
        found = paired_test(a, b, ["a", "b"], mean, resamples=50, trials=50)
    assert (found.low, found.p_bootstrap) == (None, None)

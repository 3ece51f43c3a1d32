"""Fréchet distance against seven implementations, kernel distance against its definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mio_eval.errors import UsageError
from mio_eval.metrics.frechet import (
    Moments,
    fid,
    frechet_distance,
    frechet_of_few,
    kid,
    moments,
    squared_mmd,
)

GOLDEN = Path(__file__).parents[1] / "golden"
FEATURES = np.load(GOLDEN / "fid_fad" / "fid_features.npz")
FID = json.loads((GOLDEN / "fid_fad" / "fid_golden.json").read_text(encoding="utf-8"))
FAD = json.loads((GOLDEN / "music" / "clap_fad_golden.json").read_text(encoding="utf-8"))["fad"]
CASES = [
    (case, name, value)
    for case, golden in FID.items()
    for name, value in {**golden["fid"], **FAD[case]}.items()
    if not name.endswith("_warning")
]


def features(case):
    return FEATURES[f"{case}_a"], FEATURES[f"{case}_b"]


@pytest.mark.parametrize(("case", "name", "value"), CASES)
def test_golden(case, name, value):
    # With fewer features than dimensions the implementations themselves agree only to 6e-7.
    tolerance = 1e-6 if case.startswith("rank_deficient") else 1e-10
    assert fid(*features(case), allow_small=True) == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize(("case", "name", "value"), CASES)
def test_golden_by_singular_values(case, name, value):
    # The others take square roots of eigenvalues that should be 0: see the next test.
    tolerance = 2e-6 if case.startswith("rank_deficient") else 1e-9
    assert frechet_of_few(*features(case)) == pytest.approx(value, abs=tolerance)


def test_singular_values_are_exact_where_features_are_few():
    # By mpmath in 40 digits: the eigenvalues of M Mᵀ, M = X Yᵀ of the centred features.
    exact = 39.932534253094616
    assert frechet_of_few(*features("rank_deficient_d128_n60")) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize("case", FID)
def test_sums_give_the_same_distance(case):
    a, b = features(case)
    parts = [Moments.of(part) for part in np.array_split(a, 3)]
    merged, other = parts[0] + parts[1] + parts[2], Moments.of(b)
    mean, covariance = moments(a)
    assert merged.n == len(a)
    np.testing.assert_allclose(merged.mean(), mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(merged.covariance(), covariance, rtol=0, atol=1e-11)
    value = frechet_distance(merged.mean(), merged.covariance(), other.mean(), other.covariance())
    assert value == pytest.approx(fid(a, b, allow_small=True), abs=1e-6)


def test_closed_forms():
    eye = np.eye(3)
    assert frechet_distance([1, 2, 2], eye, [0, 0, 0], eye) == pytest.approx(9, abs=1e-12)
    # Commuting covariances: the sum of squared differences of standard deviations.
    a, b = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 1.0])
    assert frechet_distance([0] * 3, a, [0] * 3, b) == pytest.approx(1 + 0 + 4, abs=1e-12)
    assert frechet_distance([0] * 3, 0 * eye, [0] * 3, a) == pytest.approx(14, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 20))
def test_is_a_distance(seed, width, n):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, width)), rng.normal(size=(n + 3, width))
    value = fid(a, b, allow_small=True)
    # The square root of an eigenvalue that should be 0 is about 1e-8.
    assert value >= 0
    assert value == pytest.approx(fid(b, a, allow_small=True), abs=1e-6)
    assert fid(a, a, allow_small=True) == pytest.approx(0, abs=1e-6)
    turn, _ = np.linalg.qr(rng.normal(size=(width, width)))
    assert value == pytest.approx(fid(a @ turn + 3, b @ turn + 3, allow_small=True), abs=1e-6)


def test_small_sets_are_refused():
    a = np.random.default_rng(0).normal(size=(2048, 2))
    with pytest.raises(UsageError, match=r"2047 images on one side, at least 2048.*kid"):
        fid(a[:2047], a)
    with pytest.raises(UsageError, match="100 images"):
        fid(a, a[:100])
    assert fid(a, a) == pytest.approx(0, abs=1e-9)


def test_refuses():
    eye = np.eye(2)
    with pytest.raises(ValueError, match="shapes"):
        frechet_distance([0, 0], eye, [0, 0, 0], np.eye(3))
    with pytest.raises(ValueError, match="finite"):
        frechet_distance([0, np.nan], eye, [0, 0], eye)
    with pytest.raises(ValueError, match="symmetric"):
        frechet_distance([0, 0], [[1, 1], [0, 1]], [0, 0], eye)
    with pytest.raises(ValueError, match="2 or more"):
        moments(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="finite"):
        Moments.of([[np.inf, 1.0]])
    with pytest.raises(ValueError, match="finite"):
        moments([[np.inf, 1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="needs 2"):
        Moments.of(np.zeros((1, 3))).covariance()
    with pytest.raises(ValueError, match="no mean"):
        Moments.of(np.zeros((0, 3))).mean()
    with pytest.raises(ValueError, match="width"):
        Moments.of(np.zeros((2, 3))) + Moments.of(np.zeros((2, 4)))


def naive_mmd(x, y):
    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_mmd_is_its_definition():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 4)), rng.normal(1, size=(12, 4))
    assert squared_mmd(x, y) == pytest.approx(naive_mmd(x, y), abs=1e-12)
    whole = kid(x, y[:9], subsets=3, size=9)
    assert whole.mean == pytest.approx(naive_mmd(x, y[:9]), abs=1e-12)
    assert whole.std == pytest.approx(0, abs=1e-12)


def test_kid_is_seeded_and_unbiased():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(400, 8)), rng.normal(size=(500, 8))
    same = kid(x, y, subsets=200, size=100, seed=5)
    assert same == kid(x, y, subsets=200, size=100, seed=5)
    assert same != kid(x, y, subsets=200, size=100, seed=6)
    assert abs(same.mean) < 0.05 < kid(x, y + 1, subsets=20, size=100).mean


@pytest.mark.parametrize(("subsets", "size"), [(1, 1), (1, 6), (0, 2)])
def test_kid_refuses_impossible_subsets(subsets, size):
    with pytest.raises(UsageError, match="not possible"):
        kid(np.zeros((5, 2)), np.zeros((9, 2)), subsets=subsets, size=size)


def test_kid_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected features"):
        kid(np.zeros((5, 2)), np.zeros((9, 3)), size=3)
    with pytest.raises(ValueError, match="finite"):
        kid(np.full((5, 2), np.nan), np.zeros((9, 2)), size=3)

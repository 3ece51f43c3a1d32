"""FID and KID as metrics: values against golden ones, influence against leaving samples out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mio_eval.errors import UsageError
from mio_eval.metrics import get_metric
from mio_eval.metrics.base import Item
from mio_eval.metrics.frechet import frechet_distance, kid, moments, squared_mmd
from mio_eval.metrics.influence import frechet_influence, kernel_influence
from mio_eval.stats import bootstrap_interval

GOLDEN = Path(__file__).parents[1] / "golden" / "fid_fad"
FEATURES = np.load(GOLDEN / "fid_features.npz")
FID = json.loads((GOLDEN / "fid_golden.json").read_text(encoding="utf-8"))
SAME_SIZE = [case for case in FID if FEATURES[f"{case}_a"].shape == FEATURES[f"{case}_b"].shape]


def pairs(n: int, seed: int = 0, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Two dependent sets of skewed features."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, size=(n, width)).astype(np.float32)
    return x, (0.6 * x + rng.gamma(1.0, size=(n, width)) + 0.3).astype(np.float32)


@pytest.mark.parametrize("case", SAME_SIZE)
def test_golden_values(case):
    metric = get_metric("fid", small="allow")
    vectors = np.stack([FEATURES[f"{case}_a"], FEATURES[f"{case}_b"]], axis=1)
    values = metric.pseudo_values(vectors)
    tolerance = 2e-6 if case.startswith("rank_deficient") else 1e-9
    for value in (FID[case]["fid"][name] for name in ("pytorch_fid_0.3.0", "torchmetrics_1.9.0")):
        assert values.mean() == pytest.approx(value, abs=tolerance)


def leaving_out(distance, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The jackknife's estimate of the influence: n - 1 times what leaving a sample out changes."""
    left = np.array(
        [distance(np.delete(x, i, axis=0), np.delete(y, i, axis=0)) for i in range(len(x))]
    )
    return (len(x) - 1) * (left.mean() - left)


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(*moments(x), *moments(y))


def test_influence_is_what_leaving_a_sample_out_changes():
    x, y = pairs(400)
    found, expected = frechet_influence(x, y), leaving_out(frechet, x, y)
    assert found.sum() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(found, expected)[0, 1] > 0.998
    assert found.std() == pytest.approx(expected.std(), rel=0.03)


def test_influence_against_fixed_statistics():
    x, y = pairs(400)
    fixed = moments(y)
    expected = leaving_out(lambda a, b: frechet_distance(*moments(a), *fixed), x, y)
    assert np.corrcoef(frechet_influence(x, fixed), expected)[0, 1] > 0.998


def test_kernel_influence():
    x, y = pairs(150)
    value, found = kernel_influence(x, y)
    assert value == pytest.approx(squared_mmd(x, y), rel=1e-12)
    expected = leaving_out(squared_mmd, x, y)
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    assert found.std() == pytest.approx(expected.std(), rel=0.05)


def test_kernel_influence_of_many_blocks_is_that_of_the_definition():
    x, y = pairs(1100)
    value, found = kernel_influence(x, y)
    assert value == pytest.approx(squared_mmd(x, y), rel=1e-12)
    a, b = x.astype(np.float64), y.astype(np.float64)
    within = [((s @ s.T / 4 + 1) ** 3) for s in (a, b)]
    across = (a @ b.T / 4 + 1) ** 3
    rows = sum((k.sum(1) - np.diag(k)) / (len(x) - 1) for k in within)
    rows = 2 * (rows - across.mean(0) - across.mean(1))
    np.testing.assert_allclose(found, rows - rows.mean(), rtol=1e-9, atol=1e-9)


def test_features_that_never_vary_do_no_harm():
    x, y = pairs(200)
    wide = [np.hstack([part, np.zeros((200, 2), np.float32)]) for part in (x, y)]
    np.testing.assert_allclose(
        frechet_influence(*wide), frechet_influence(x, y), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("distance", ["fid", "kid"])
def test_intervals_cover(distance):
    """95 % intervals hold the distance expected at this number of images; binomial bounds."""
    values, intervals = [], []
    for seed in range(150):
        x, y = pairs(150, seed)
        metric = get_metric(distance, **({"small": "allow"} if distance == "fid" else {}))
        rows = np.column_stack([metric.pseudo_values(np.stack([x, y], axis=1)), np.ones(150)])
        values.append(rows[:, 0].mean())
        names = [str(number) for number in range(150)]
        intervals.append(bootstrap_interval(rows, names, metric.score, resamples=400))
    expected = np.mean(values)
    covered = np.mean([i.low < expected < i.high for i in intervals])
    assert 0.89 <= covered <= 1.0


def test_subsets_are_those_of_kid():
    x, y = pairs(60)
    metric = get_metric("kid", size="20", subsets="10", seed="3")
    values = metric.pseudo_values(np.stack([x, y], axis=1))
    assert values.mean() == pytest.approx(kid(x, y, 10, 20, 3).mean, rel=1e-12)
    signature = metric.signature(60)
    assert "|size:20|subsets:10|seed:3|" in signature


def test_a_single_sample_has_no_value():
    metric = get_metric("fid", small="allow")
    x, y = pairs(50)
    ids = [str(number) for number in range(50)]
    metric.take_set(ids, np.stack([x, y], axis=1))
    rows = metric.statistics([Item(i, "", ()) for i in ids]).values
    assert np.isnan(metric.per_sample(rows)).all()
    assert metric.score(rows.sum(axis=0)) == pytest.approx(frechet(x, y))


def test_the_substitutes_bear_other_names():
    for name in ("fid", "kid"):
        metric = get_metric(f"{name}_effnet")
        assert metric.title != get_metric(name).title
        assert metric.annotators == ("effnet",)
        assert get_metric(name).annotators == ("inception",)


def test_refusals():
    fid = get_metric("fid")
    assert "at least 2048" in fid.refusal(2047)
    assert fid.refusal(2048) is None
    assert get_metric("fid", small="allow").refusal(2) is None
    assert get_metric("fid", small="allow").refusal(1)
    assert get_metric("kid").refusal(2) is None


def test_reference_statistics_of_another_width(tmp_path):
    np.savez(tmp_path / "r.npz", mu=np.zeros(7), sigma=np.eye(7))
    metric = get_metric("fid", ref=str(tmp_path / "r.npz"))
    x, y = pairs(20)
    with pytest.raises(ValueError, match="shapes do not fit"):
        metric.take_set(["a"] * 20, np.stack([x, y], axis=1))
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"expected an \.npz file with mu"):
        get_metric("fid", ref=str(tmp_path / "bad.npz")).reference()

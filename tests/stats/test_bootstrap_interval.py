"""The bootstrap interval: its definition, its reproducibility, its plausibility."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from mio_eval.engine.score import Rows, Tally, make_score
from mio_eval.metrics import get_metric
from mio_eval.stats import bootstrap, bootstrap_interval


def ratio(sums):
    return sums[..., 0] / sums[..., 1]


def naive_interval(rows, clusters, score, resamples, seed, confidence=0.95):
    """The definition, one draw at a time: a cluster is the top 32 bits of a draw, times their
    number, shifted down; the ends are order statistics."""
    names = sorted(set(clusters))
    totals = [
        [
            math.fsum(row[k] for row, c in zip(rows, clusters, strict=True) if c == name)
            for k in range(len(rows[0]))
        ]
        for name in names
    ]
    stream = np.random.PCG64(seed)
    scores = []
    for _ in range(resamples):
        drawn = [totals[(int(stream.random_raw()) >> 32) * len(names) >> 32] for _ in names]
        scores.append(score(np.array([math.fsum(column) for column in zip(*drawn, strict=True)])))
    scores.sort()
    tail = int(resamples * (1 - Fraction(str(confidence))) / 2)  # exactly: 1 - 0.9 is below 0.1
    return scores[tail], scores[resamples - 1 - tail]


@pytest.mark.parametrize("clusters_of", [lambda i: f"s{i}", lambda i: f"s{i % 7}"])
@pytest.mark.parametrize("confidence", [0.95, 0.9, 0.5])
def test_equals_the_definition(clusters_of, confidence):
    rng = random.Random(3)
    rows = [[float(rng.randrange(5)), float(rng.randrange(1, 9))] for _ in range(60)]
    clusters = [clusters_of(i) for i in range(60)]
    found = bootstrap_interval(
        np.array(rows), clusters, ratio, resamples=200, seed=5, confidence=confidence
    )
    low, high = naive_interval(rows, clusters, ratio, 200, 5, confidence)
    assert (found.low, found.high, found.clusters) == (low, high, len(set(clusters)))


@pytest.mark.parametrize("block", [1, 7, 100, 1000, 12_345])
def test_block_of_memory_does_not_matter(monkeypatch, block):
    values = np.random.default_rng(0).random((50, 3))
    whole = bootstrap.resampled_sums(values, 500, 9)
    monkeypatch.setattr(bootstrap, "_BLOCK", block)
    assert np.array_equal(bootstrap.resampled_sums(values, 500, 9), whole)


def test_more_resamples_begin_with_the_same_ones():
    values = np.random.default_rng(0).random((50, 3))
    few = bootstrap.resampled_sums(values, 100, 9)
    assert np.array_equal(bootstrap.resampled_sums(values, 300, 9)[:100], few)


def test_seed_matters_and_repeats():
    values = np.random.default_rng(0).random((40, 1))
    values = np.column_stack([values, np.ones(40)])
    ids = [str(i) for i in range(40)]
    first = bootstrap_interval(values, ids, ratio, seed=1)
    assert bootstrap_interval(values, ids, ratio, seed=1) == first
    assert bootstrap_interval(values, ids, ratio, seed=2) != first


def test_all_clusters_are_drawn_equally_often():
    counts = bootstrap.resampled_sums(np.eye(10), 20_000, 1).sum(axis=0)
    assert counts.sum() == 200_000
    # The standard deviation of a count is √(200000 · 0.1 · 0.9) ≈ 134.
    assert np.abs(counts - 20_000).max() < 5 * 134


@pytest.mark.parametrize("rows", [1, 4])
def test_one_cluster_has_no_interval(rows):
    found = bootstrap_interval(np.ones((rows, 2)), ["only"] * rows, ratio)
    assert (found.low, found.high, found.clusters) == (None, None, 1)


def test_undefined_resamples_have_no_interval():
    """Some resamples draw only clusters with nothing to divide by."""
    with np.errstate(all="ignore"):
        found = bootstrap_interval(np.array([[1.0, 2.0], [0.0, 0.0]]), ["a", "b"], ratio)
    assert (found.low, found.high, found.clusters) == (None, None, 2)


def test_no_spread_gives_a_point():
    found = bootstrap_interval(np.tile([1.0, 4.0], (9, 1)), [str(i) for i in range(9)], ratio)
    assert (found.low, found.high) == (0.25, 0.25)


def test_clusters_widen_the_interval():
    """Ten equal samples a speaker say no more than one: the interval must not shrink."""
    speakers = np.random.default_rng(2).integers(0, 2, 30).astype(float)
    values = np.column_stack([np.repeat(speakers, 10), np.ones(300)])
    by_speaker = bootstrap_interval(values, [str(i // 10) for i in range(300)], ratio)
    by_sample = bootstrap_interval(values, [str(i) for i in range(300)], ratio)
    ratio_of_widths = (by_speaker.high - by_speaker.low) / (by_sample.high - by_sample.low)
    assert 2.5 < ratio_of_widths < 4  # √10 ≈ 3.16


def test_wer_of_librispeech_size_is_as_wide_as_theory_says():
    """Linearised (delta method) standard error of Σe/Σn over clusters, n = 2,620."""
    rng = np.random.default_rng(11)
    words = rng.integers(3, 45, 2620).astype(float)
    wrong = rng.binomial(words.astype(int), rng.beta(1, 12, 2620)).astype(float)
    values = np.column_stack([wrong, np.zeros((2620, 2)), words])
    metric = get_metric("wer")
    ids = [f"u{i}" for i in range(2620)]
    found = bootstrap_interval(values, ids, metric.score)
    rate = wrong.sum() / words.sum()
    error = 100 * math.sqrt(((wrong - rate * words) ** 2).sum()) / words.sum()
    assert metric.score(values.sum(axis=0)) == pytest.approx(100 * rate)
    assert found.high - found.low == pytest.approx(2 * 1.95996 * error, rel=0.05)
    assert (found.high + found.low) / 2 == pytest.approx(100 * rate, abs=0.2 * error)


def test_coverage():
    """About 95 of 100 intervals hold the true mean (100 samples of a skewed distribution)."""
    rng = np.random.default_rng(4)
    ids = [f"{i:03}" for i in range(100)]
    held = 0
    for _ in range(300):
        values = np.column_stack([rng.exponential(1.0, 100), np.ones(100)])
        found = bootstrap_interval(values, ids, ratio, resamples=500)
        held += found.low <= 1.0 <= found.high
    assert 0.90 <= held / 300 <= 0.98


METRICS = ["cider", "bleu4", "rouge_l", "wer", "wer_utt_mean"]


@pytest.mark.parametrize("name", METRICS)
def test_order_of_samples_does_not_matter_bit_for_bit(name):
    """Responses end in any order: value and interval are those of the sorted samples."""
    metric = get_metric(name)
    rng = np.random.default_rng(8)
    values = rng.random((120, len(metric.columns))) + 1
    order = list(range(120))

    def score(order):
        rows = Rows(
            ids=[f"id{i}" for i in order],
            clusters=[f"speaker{i % 11}" for i in order],
            blocks=[values[order[:50]], values[order[50:]]],
        )
        return make_score(metric, rows, Tally(expected=120, references=(1, 1)), primary=True)

    first = score(order)
    assert first.value is not None
    assert first.ci_low < first.value < first.ci_high
    for seed in range(3):
        random.Random(seed).shuffle(order)
        assert score(order) == first


def test_few_clusters_are_noted():
    metric = get_metric("wer")
    counts = np.array([[1.0, 0, 0, 4], [3.0, 0, 0, 4], [0.0, 0, 0, 4]])
    rows = Rows(ids=["a", "b", "c"], clusters=["x", "y", "y"], blocks=[counts])
    score = make_score(metric, rows, Tally(expected=3), primary=True)
    assert score.note == "interval from 2 clusters only"
    rows.clusters = ["x", "x", "x"]
    assert make_score(metric, rows, Tally(expected=3), primary=True).note == (
        "no interval: a single cluster"
    )


@pytest.mark.parametrize("right", [1.0, 0.0])
def test_an_interval_without_width_is_noted(right):
    """Twelve of twelve right does not mean that no answer will ever be wrong."""
    metric = get_metric("acc")
    names = [f"s{i}" for i in range(12)]
    rows = Rows(ids=names, clusters=names, blocks=[np.array([[right, 1.0]] * 12)])
    score = make_score(metric, rows, Tally(expected=12), primary=True)
    assert score.ci_low == score.value == score.ci_high == 100 * right
    assert score.note == "interval without width: every resample gives this value"

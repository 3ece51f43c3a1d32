"""BLEU against pycocoevalcap's values, its definition, and sums of its statistics."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.caption_cases import EDGE_CASES, fakecap_golden, fakecap_tokens, images_of

from mio_eval.metrics import get_metric
from mio_eval.metrics.base import Item
from mio_eval.metrics.bleu import bleu_from_statistics, bleu_statistics, sentence_bleu

ORDERS = (1, 2, 3, 4)

captions = st.lists(st.sampled_from("abcd"), max_size=9)
images = images_of(captions)


def naive_statistics(hypothesis, references):
    def counts(tokens, order):
        return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))

    closest = min(sorted(map(len, references)), key=lambda size: abs(size - len(hypothesis)))
    guess = [counts(hypothesis, n).total() for n in ORDERS]
    correct = []
    for n in ORDERS:
        best = Counter()
        for reference in references:
            best |= counts(reference, n)
        correct.append((counts(hypothesis, n) & best).total())
    return [len(hypothesis), closest, *guess, *correct]


def test_fakecap():
    golden, tokens = fakecap_golden(), fakecap_tokens()
    stats = bleu_statistics(
        [c.split() for (c,) in tokens["res"].values()],
        [[c.split() for c in group] for group in tokens["gts"].values()],
    )
    # As printed in the demo of the COCO caption evaluation.
    assert stats.dtype == np.int64
    assert stats.sum(0).tolist() == [9893, 9855, 9893, 8893, 7893, 6893, 5732, 2510, 1043, 423]
    for n in ORDERS:
        expected = [golden["per_image"][i][f"Bleu_{n}"] for i in tokens["gts"]]
        np.testing.assert_allclose(sentence_bleu(stats, n), expected, rtol=0, atol=1e-9)
        corpus = bleu_from_statistics(stats.sum(0), n)
        assert corpus.shape == ()
        assert float(corpus) == pytest.approx(golden["eval"][f"Bleu_{n}"], abs=1e-9)


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases(name):
    case = EDGE_CASES[name]
    stats = bleu_statistics(
        [c.split() for (c,) in case["res"].values()],
        [[c.split() for c in group] for group in case["gts"].values()],
    )
    for n in ORDERS:
        expected = case["Bleu"]["per_image"][n - 1]
        np.testing.assert_allclose(sentence_bleu(stats, n), expected, rtol=0, atol=1e-9)
        corpus = float(bleu_from_statistics(stats.sum(0), n))
        assert corpus == pytest.approx(case["Bleu"]["score"][n - 1], abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(images, st.integers(1, 4))
def test_definition_in_chunks(items, chunk):
    hypotheses, references = [h for h, _ in items], [r for _, r in items]
    stats = bleu_statistics(hypotheses, references)
    assert stats.tolist() == [naive_statistics(h, r) for h, r in items]
    parts = [
        bleu_statistics(hypotheses[i : i + chunk], references[i : i + chunk])
        for i in range(0, len(items), chunk)
    ]
    assert np.array_equal(np.concatenate(parts), stats)


def test_same_statistics_across_the_internal_chunks(monkeypatch):
    tokens = fakecap_tokens()
    hypotheses = [c.split() for (c,) in tokens["res"].values()]
    references = [[c.split() for c in group] for group in tokens["gts"].values()]
    whole = bleu_statistics(hypotheses, references)
    monkeypatch.setattr("mio_eval.metrics.bleu._CHUNK", 7)
    assert np.array_equal(bleu_statistics(hypotheses, references), whole)


def test_the_shorter_of_two_equally_close_references_counts():
    stats = bleu_statistics([["a"] * 4], [[["a"] * 5, ["a"] * 3, ["a"] * 9]])
    assert stats[0, 1] == 3


def test_leading_axes():
    stats = bleu_statistics([["a", "b"], ["a"]], [[["a", "b"]], [["b", "a"]]])
    sums = np.stack([[stats[0], stats[1]], [stats.sum(0), stats[1]]])
    scores = bleu_from_statistics(sums, 2)
    assert scores.shape == (2, 2)
    assert scores[1, 1] == bleu_from_statistics(stats[1], 2)
    assert scores[1, 0] == bleu_from_statistics(stats.sum(0).astype(float), 2)
    assert bleu_from_statistics(stats[:0], 4).shape == (0,)


def test_no_image():
    assert bleu_statistics([], []).shape == (0, 10)


def test_misuse():
    with pytest.raises(ValueError, match="1 hypotheses for 0"):
        bleu_statistics([["a"]], [])
    with pytest.raises(ValueError, match="no reference"):
        bleu_statistics([["a"]], [[]])
    with pytest.raises(TypeError, match="list of tokens"):
        bleu_statistics([["a"]], [["a cat"]])
    with pytest.raises(ValueError, match="order is 1 to 4"):
        bleu_from_statistics(np.zeros(10), 5)
    with pytest.raises(ValueError, match="statistics"):
        bleu_from_statistics(np.zeros(9), 4)


def test_the_four_orders_share_their_statistics(monkeypatch):
    """Computed once for one window of samples, again for another; equal to computing alone."""
    calls = []

    def counted(hypotheses, references):
        calls.append(len(hypotheses))
        return bleu_statistics(hypotheses, references)

    items = [Item(str(i), f"a cat on mat {i}", (f"the cat on mat {i}",)) for i in range(5)]
    alone = get_metric("bleu1").statistics(items[:3]).values
    monkeypatch.setattr("mio_eval.metrics.captioning.bleu_statistics", counted)
    for window in (items, items[:3], items[3:]):
        found = [get_metric(f"bleu{n}").statistics(window).values for n in (1, 2, 3, 4)]
        for values in found[1:]:
            np.testing.assert_array_equal(values, found[0])
        if len(window) == 3:
            np.testing.assert_array_equal(found[0], alone)
    assert calls == [5, 3, 2]
    changed = [*items[3:4], Item("4", "another text", items[4].references)]
    assert not np.array_equal(get_metric("bleu2").statistics(changed).values, found[0])

"""CIDEr-D against pycocoevalcap's values, its definition, and itself in other company."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.caption_cases import EDGE_CASES, fakecap_golden, fakecap_tokens, images_of

from mio_eval.metrics.cider import cider_d, document_frequencies

captions = st.lists(st.sampled_from("abcde"), max_size=9)
images = images_of(captions)


def score(hypotheses, references):
    return cider_d(hypotheses, references, document_frequencies(references))


def ngrams(tokens, order):
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]


def naive_cider_d(hypothesis, references, split):
    """The definition, one image at a time; `split` gives the document frequencies."""

    def idf(gram):
        images_with = sum(any(gram in ngrams(r, len(gram)) for r in refs) for refs in split)
        return math.log(len(split)) - math.log(max(1, images_with))

    total = 0.0
    for order in range(1, 5):
        for reference in references:
            hyp, ref = Counter(ngrams(hypothesis, order)), Counter(ngrams(reference, order))
            dot = sum(min(c, ref[g]) * ref[g] * idf(g) ** 2 for g, c in hyp.items())
            norms = [math.sqrt(sum((c * idf(g)) ** 2 for g, c in v.items())) for v in (hyp, ref)]
            if norms[0] and norms[1]:
                delta = len(ngrams(hypothesis, 2)) - len(ngrams(reference, 2))
                total += dot / norms[0] / norms[1] * math.exp(-(delta**2) / 72)
    return 10 * total / 4 / len(references)


def test_fakecap():
    golden, tokens = fakecap_golden(), fakecap_tokens()
    references = [[c.split() for c in group] for group in tokens["gts"].values()]
    scores = score([c.split() for (c,) in tokens["res"].values()], references)
    expected = [golden["per_image"][i]["CIDEr"] for i in tokens["gts"]]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)
    assert scores.mean() == pytest.approx(0.5997905185184199, abs=1e-9)


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases(name):
    case = EDGE_CASES[name]
    references = [[c.split() for c in group] for group in case["gts"].values()]
    scores = score([c.split() for (c,) in case["res"].values()], references)
    np.testing.assert_allclose(scores, case["CIDEr"]["per_image"], rtol=0, atol=1e-9)
    assert scores.mean() == pytest.approx(case["CIDEr"]["score"], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(images, images)
def test_definition(scored, others):
    split = [refs for _, refs in scored + others]
    scores = cider_d([h for h, _ in scored], [r for _, r in scored], document_frequencies(split))
    expected = [naive_cider_d(h, r, split) for h, r in scored]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(images, images)
def test_references_outside_the_split(scored, split):
    """Tokens and n-grams that the document frequencies lack count as in one image."""
    shifted = [[[t.replace("a", "new") for t in r] for r in refs] for _, refs in scored]
    df = document_frequencies([refs for _, refs in split])
    scores = cider_d([h for h, _ in scored], shifted, df)
    expected = [
        naive_cider_d(h, r, [refs for _, refs in split])
        for (h, _), r in zip(scored, shifted, strict=True)
    ]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(images, st.randoms(use_true_random=False), st.integers(1, 4))
def test_same_bits_in_any_company(items, random, chunk):
    hypotheses, references = [h for h, _ in items], [r for _, r in items]
    whole = score(hypotheses, references)

    df = document_frequencies(references)
    parts = [
        cider_d(hypotheses[i : i + chunk], references[i : i + chunk], df)
        for i in range(0, len(items), chunk)
    ]
    assert np.concatenate(parts).tobytes() == whole.tobytes()

    order = list(range(len(items)))
    random.shuffle(order)
    shuffled = [items[i] for i in order]
    again = score([h for h, _ in shuffled], [r for _, r in shuffled])
    assert again.tobytes() == whole[order].tobytes()


def test_same_bits_across_the_internal_chunks(monkeypatch):
    tokens = fakecap_tokens()
    references = [[c.split() for c in group] for group in tokens["gts"].values()]
    hypotheses = [c.split() for (c,) in tokens["res"].values()]
    whole = score(hypotheses, references)
    monkeypatch.setattr("mio_eval.metrics.cider._CHUNK", 7)
    assert score(hypotheses, references).tobytes() == whole.tobytes()


def test_document_frequencies_count_images():
    df = document_frequencies([[["a", "b"], ["a", "a", "b"]], [["a"]], [[]]])
    assert df.n_images == 3
    assert df.vocabulary == {"a": 0, "b": 1}
    assert df.counts[0].tolist() == [2, 1]
    assert df.counts[1].tolist() == [1, 1]  # a a, a b
    assert [len(keys) for keys in df.keys] == [2, 1, 0]


def test_no_image():
    assert score([], []).shape == (0,)


def test_misuse():
    df = document_frequencies([[["a"]]])
    with pytest.raises(ValueError, match="1 hypotheses for 2"):
        cider_d([["a"]], [[["a"]], [["a"]]], df)
    with pytest.raises(ValueError, match="no reference"):
        cider_d([["a"]], [[]], df)
    with pytest.raises(TypeError, match="list of tokens"):
        cider_d(["a cat"], [[["a"]]], df)
    with pytest.raises(TypeError, match="list of tokens"):
        document_frequencies([["a cat"]])

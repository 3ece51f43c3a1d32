"""ROUGE-L against pycocoevalcap's values and its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.caption_cases import EDGE_CASES, fakecap_golden, fakecap_tokens, images_of

from mio_eval.metrics.rouge import rouge_l

words = st.sampled_from(["a", "b", "c", "dog", "é", "\0", "\x01"])
captions = st.lists(words, max_size=9)
images = images_of(captions)


def naive_rouge_l(hypothesis, references):
    def lcs(a, b):
        lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                longer = max(lengths[i][j + 1], lengths[i + 1][j])
                lengths[i + 1][j + 1] = lengths[i][j] + 1 if x == y else longer
        return lengths[-1][-1]

    hypothesis, references = hypothesis or [""], [r or [""] for r in references]
    precision = max(lcs(hypothesis, r) / len(hypothesis) for r in references)
    recall = max(lcs(hypothesis, r) / len(r) for r in references)
    if precision == 0:
        return 0.0
    return (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)


def test_fakecap():
    golden, tokens = fakecap_golden(), fakecap_tokens()
    scores = rouge_l(
        [c.split() for (c,) in tokens["res"].values()],
        [[c.split() for c in group] for group in tokens["gts"].values()],
    )
    expected = [golden["per_image"][i]["ROUGE_L"] for i in tokens["gts"]]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)
    assert scores.mean() == pytest.approx(0.39625269357570847, abs=1e-9)


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases(name):
    case = EDGE_CASES[name]
    scores = rouge_l(
        [c.split() for (c,) in case["res"].values()],
        [[c.split() for c in group] for group in case["gts"].values()],
    )
    np.testing.assert_allclose(scores, case["ROUGE_L"]["per_image"], rtol=0, atol=1e-9)
    assert scores.mean() == pytest.approx(case["ROUGE_L"]["score"], abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(images, st.integers(1, 4))
def test_definition_in_chunks(items, chunk):
    hypotheses, references = [h for h, _ in items], [r for _, r in items]
    scores = rouge_l(hypotheses, references)
    expected = [naive_rouge_l(h, r) for h, r in items]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
    parts = [
        rouge_l(hypotheses[i : i + chunk], references[i : i + chunk])
        for i in range(0, len(items), chunk)
    ]
    assert np.concatenate(parts).tobytes() == scores.tobytes()


def test_precision_and_recall_may_come_from_different_references():
    # Precision 1 with the first, recall 1 with the second.
    assert rouge_l([["a", "b"]], [[["a", "b", "c", "d"], ["a"]]])[0] == 1.0


def test_two_captions_without_tokens_agree():
    assert rouge_l([[], []], [[["a"], []], [["a"]]]).tolist() == [1.0, 0.0]


def test_no_image():
    assert rouge_l([], []).shape == (0,)


def test_misuse():
    with pytest.raises(ValueError, match="1 hypotheses for 0"):
        rouge_l([["a"]], [])
    with pytest.raises(ValueError, match="no reference"):
        rouge_l([["a"]], [[]])
    with pytest.raises(TypeError, match="list of tokens"):
        rouge_l(["a cat"], [[["a"]]])

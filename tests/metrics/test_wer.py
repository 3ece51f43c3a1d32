"""Edit counts equal jiwer 4's, and are the plain Levenshtein distance."""

from __future__ import annotations

import json
import random
import time

import jiwer
import numpy as np
import pytest
from golden_files import read_golden
from hypothesis import given
from hypothesis import strategies as st

from mio_eval.metrics.wer import (
    COLUMNS,
    character_statistics,
    corpus_error_rate,
    utterance_error_rates,
    word_statistics,
)

PAIRS = read_golden("asr/wer_golden.json.gz")["pairs"]
BEHAVIOUR = read_golden("asr/jiwer4_behaviour.json")["cases"]

sentence = st.lists(st.sampled_from(["a", "b", "c", "dd", "é"]), max_size=8).map(" ".join)
pairs = st.lists(st.tuples(sentence, sentence), max_size=6)


def levenshtein(reference, hypothesis):
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, given_ in enumerate(hypothesis, start=1):
            cost = diagonal + (expected != given_)
            diagonal, row[j] = row[j], min(cost, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def replay(alignment, reference, hypothesis):
    """Rebuild the hypothesis from the reference by an alignment, checking each operation."""
    built, at = [], 0
    for kind, i1, i2, j1, j2 in alignment:
        assert (i1, j1) == (at, len(built))
        if kind == "equal":
            assert reference[i1:i2] == hypothesis[j1:j2]
        elif kind == "substitute":
            assert i2 - i1 == j2 - j1 > 0
        elif kind == "delete":
            assert i2 > i1
            assert j1 == j2
        else:
            assert kind == "insert"
            assert i1 == i2
            assert j2 > j1
        at = i2
        built += hypothesis[j1:j2]
    assert at == len(reference)
    return built


def test_counts_equal_jiwers_on_the_fixture():
    result = word_statistics([p["ref"] for p in PAIRS], [p["hyp"] for p in PAIRS])
    hits, *errors = np.array([p["jiwer_H_S_D_I"] for p in PAIRS]).T
    expected = np.stack([*errors, hits + errors[0] + errors[1]], axis=1)
    assert result.counts.dtype == np.int64
    np.testing.assert_array_equal(result.counts, expected)
    assert corpus_error_rate(result.counts.sum(axis=0)) == 1455 / 4352


def test_sclite_splits_differently_but_agrees_on_the_fixtures_total():
    """The documented difference: sclite weighs substitutions 4 and other edits 3."""
    sclite = np.array([p["sclite_C_S_D_I"] for p in PAIRS])
    ours = np.array([p["jiwer_H_S_D_I"] for p in PAIRS])
    np.testing.assert_array_equal(sclite[:, 1:].sum(axis=1), ours[:, 1:].sum(axis=1))
    assert (sclite != ours).any(axis=1).sum() == 28


@pytest.mark.parametrize("case", BEHAVIOUR, ids=lambda case: ascii(case["ref"]))
def test_behaves_as_jiwer_4(case):
    as_list = {k: [case[k]] if isinstance(case[k], str) else case[k] for k in ("ref", "hyp")}
    statistics = character_statistics if "cer" in case else word_statistics
    if "exception" in case:
        with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
            statistics(as_list["ref"], as_list["hyp"])
        return
    result = statistics(as_list["ref"], as_list["hyp"])
    expected = case.get("wer", case.get("cer"))
    assert corpus_error_rate(result.counts.sum(axis=0)) == expected
    if "alignment" in case:
        assert result.alignments == [case["alignment"]]


@pytest.mark.parametrize("statistics", [word_statistics, character_statistics])
def test_no_utterances(statistics):
    result = statistics([], [])
    assert result.counts.shape == (0, len(COLUMNS))
    assert result.alignments == []
    assert result.empty_references.shape == (0,)
    assert utterance_error_rates(result.counts).shape == (0,)


def test_empty_references_are_flagged():
    result = word_statistics(["", " \t\n", "a b", ""], ["", "x y", "", "z"])
    assert result.counts.tolist() == [[0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 2], [0, 0, 1, 0]]
    assert result.empty_references.tolist() == [True, True, False, True]
    assert result.empty_references.dtype == np.bool_
    assert utterance_error_rates(result.counts).tolist() == [0.0, 2.0, 1.0, 1.0]
    assert corpus_error_rate(result.counts.sum(axis=0)) == 2.5


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("a\tb", "a b", [1, 0, 1, 1]),  # one tab is part of the word
        ("a\t\tb", "a b", [0, 0, 0, 2]),  # two white-space characters are one space
        ("a \nb", "a b", [0, 0, 0, 2]),
        ("\ta\n", "a", [0, 0, 0, 1]),  # the ends are stripped
        ("a\u00a0b", "a b", [1, 0, 1, 1]),
        ("a\u00a0\u00a0b", "a b", [0, 0, 0, 2]),
        ("a\u200bb", "a b", [1, 0, 1, 1]),  # zero-width space is no white space
        ("\ud800 a", "\ud800 b", [1, 0, 0, 2]),  # lone surrogates are words like others
        ("\x00", "\x00", [0, 0, 0, 1]),
    ],
)
def test_white_space_and_odd_characters(reference, hypothesis, counts):
    assert word_statistics([reference], [hypothesis]).counts.tolist() == [counts]


def test_characters_count_inner_spaces_and_code_points():
    result = character_statistics([" ab c ", "e\u0301", "😀"], ["abc", "é", "😀!"])
    assert result.counts.tolist() == [[0, 1, 0, 4], [1, 1, 0, 2], [0, 0, 1, 1]]


def test_alignments_are_strict_json():
    alignments = word_statistics(["a b c d", ""], ["b c x d e", ""]).alignments
    assert json.loads(json.dumps(alignments, allow_nan=False)) == alignments
    assert alignments[1] == []


@given(pairs)
def test_counts_are_levenshteins(texts):
    references, hypotheses = [r for r, _ in texts], [h for _, h in texts]
    for statistics, split in ((word_statistics, str.split), (character_statistics, list)):
        result = statistics(references, hypotheses)
        for index, (reference, hypothesis) in enumerate(texts):
            ref, hyp = split(reference), split(hypothesis)
            substitutions, deletions, insertions, length = result.counts[index].tolist()
            hits = length - substitutions - deletions
            assert substitutions + deletions + insertions == levenshtein(ref, hyp)
            assert length == len(ref)
            assert hits >= 0
            assert hits + substitutions + insertions == len(hyp)
            assert replay(result.alignments[index], ref, hyp) == hyp


@given(pairs)
def test_one_call_equals_a_call_each(texts):
    result = word_statistics([r for r, _ in texts], [h for _, h in texts])
    singles = [word_statistics([r], [h]) for r, h in texts]
    assert result.counts.tolist() == [s.counts[0].tolist() for s in singles]
    assert result.alignments == [s.alignments[0] for s in singles]


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=4))
def test_any_text_gives_jiwers_rates(texts):
    references, hypotheses = [r for r, _ in texts], [h for _, h in texts]
    words = word_statistics(references, hypotheses).counts.sum(axis=0)
    characters = character_statistics(references, hypotheses).counts.sum(axis=0)
    assert corpus_error_rate(words) == jiwer.wer(references, hypotheses)
    assert corpus_error_rate(characters) == jiwer.cer(references, hypotheses)


def test_rates_broadcast_and_accept_weights():
    sums = np.array([[[1, 1, 0, 4], [0, 0, 0, 0]], [[0, 0, 3, 0], [0.5, 0, 0, 0.25]]])
    assert corpus_error_rate(sums).tolist() == [[0.5, 0.0], [3.0, 2.0]]
    assert corpus_error_rate([1, 0, 0, 2]).shape == ()
    assert corpus_error_rate([1, 0, 0, 2]).dtype == np.float64


def test_wrong_shapes_are_refused():
    for bad in ([1, 2, 3], 1.0, np.zeros((4, 3))):
        with pytest.raises(ValueError, match="shape"):
            corpus_error_rate(bad)
    for bad in ([1, 0, 0, 2], np.zeros((2, 2, 4))):
        with pytest.raises(ValueError, match="shape"):
            utterance_error_rates(bad)


@pytest.mark.parametrize("statistics", [word_statistics, character_statistics])
def test_wrong_inputs_are_refused(statistics):
    with pytest.raises(TypeError, match="not one string"):
        statistics("a b", "a b")
    with pytest.raises(TypeError, match=r"hypotheses\[1\] is NoneType"):
        statistics(["a", "b"], ["a", None])
    with pytest.raises(ValueError, match="0 references but 1 hypotheses"):
        statistics([], ["a"])
    assert statistics(("a",), ("a",)).counts[0, 3] == 1


def test_long_and_many_texts_are_quick():
    chance = random.Random(0)
    words = [f"w{i}" for i in range(5000)]
    many = [" ".join(chance.choices(words, k=20)) for _ in range(2620)]
    long = [" ".join(chance.choices(words, k=20_000)) for _ in range(2)]
    start = time.perf_counter()
    word_statistics(many, many[1:] + many[:1])
    word_statistics(long[:1], long[1:])
    word_statistics(["a"], ["b " * 500_000])
    character_statistics(["a b c"], ["x" * 1_000_000])
    assert time.perf_counter() - start < 10  # about 1 s; a quadratic table would need gigabytes

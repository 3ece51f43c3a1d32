"""VizWiz unanswerability: the official values, and scikit-learn's average precision."""

from __future__ import annotations

import math

import pytest
from golden_files import read_golden
from hypothesis import given
from hypothesis import strategies as st

from mio_eval import __version__
from mio_eval.metrics.answerability import (
    UnanswerableAp,
    UnanswerableF1,
    average_precision,
    majority_answerable,
    says_unanswerable,
    unanswerable_ap,
    unanswerable_f1,
)
from mio_eval.metrics.base import Item


def literal_average_precision(labels, scores):
    """For every distinct threshold, from high to low: the recall gained times the precision."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        kept = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        total += (sum(kept) / sum(labels) - recall) * (sum(kept) / len(kept))
        recall = sum(kept) / sum(labels)
    return total


def test_vizwiz_val():
    cases = read_golden("vqa/vizwiz_val_cases.json.gz")
    golden = read_golden("vqa/vizwiz_val_golden.json.gz")
    answers = [row["answers"] for row in cases["annotations"]]
    given_ = [cases["predictions"][str(row["question_id"])] for row in cases["annotations"]]
    oracle = [max(humans, key=humans.count) for humans in answers]
    label = [majority_answerable(humans) for humans in answers]
    name = "VizWiz_api unanswerability (answerable label here = majority!=unanswerable)"
    for predictions, expected in (
        (given_, golden["pred"][name]),
        (oracle, golden["majority_oracle"][name]),
    ):
        answered = [not says_unanswerable(p) for p in predictions]
        ap, f1 = unanswerable_ap(label, answered), unanswerable_f1(label, answered)
        assert ap == pytest.approx(expected["average_precision"], abs=1e-9)
        assert f1 == pytest.approx(expected["f1_score"], abs=1e-9)
        metric = UnanswerableF1()
        items = [
            Item(str(i), p, tuple(a))
            for i, (p, a) in enumerate(zip(predictions, answers, strict=True))
        ]
        assert metric.score(metric.statistics(items).values.sum(axis=0)) == pytest.approx(f1)
        metric = UnanswerableAp()
        value = metric.score(metric.statistics(items).values.sum(axis=0))
        assert value == pytest.approx(expected["average_precision"], abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "scores", "value"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.8333333333333333),  # scikit-learn's own example
        ([1, 1], [0.0, 1.0], 1.0),
        ([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], 0.25),
        ([0, 1], [1.0, 0.0], 0.5),
    ],
)
def test_average_precision(labels, scores, value):
    assert average_precision(labels, scores) == pytest.approx(value, abs=1e-15)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.9])), min_size=1))
def test_average_precision_is_its_definition(rows):
    labels, scores = [int(label) for label, _ in rows], [score for _, score in rows]
    value = average_precision(labels, scores)
    if not any(labels):
        assert math.isnan(value)
    else:
        assert value == pytest.approx(literal_average_precision(labels, scores), abs=1e-12)


def test_average_precision_refuses():
    with pytest.raises(ValueError, match="equally long"):
        average_precision([1], [0.5, 0.5])
    with pytest.raises(ValueError, match="NaN"):
        average_precision([1], [math.nan])


def test_f1_threshold_is_strict():
    assert unanswerable_f1([0, 1], [0.5, 0.5]) == 0.0
    assert unanswerable_f1([0, 1], [0.49, 0.51]) == 100.0
    assert math.isnan(unanswerable_f1([1, 1], [1, 1]))


def test_label_comes_from_the_annotation_first():
    metric = UnanswerableF1()
    humans = ("unanswerable",) * 6 + ("cat",) * 4
    rows = metric.statistics(
        [
            Item("0", "Unanswerable.", humans),
            Item("1", "unanswerable", humans, meta={"answerable": 1}),
            Item("2", "cat", humans, meta={"answerable": 0}),
            Item("3", "cat", humans, meta={"answerable": 1}),
        ]
    ).values
    assert rows.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert metric.score(rows.sum(axis=0)) == 50.0
    assert metric.signature(4) == f"unanswerable_f1|n:4|v:{__version__}"
    with pytest.raises(ValueError, match="answerable must be 0 or 1"):
        metric.statistics([Item("0", "", humans, meta={"answerable": "yes"})])


@given(st.text(max_size=30))
def test_hostile_text(text):
    rows = UnanswerableF1().statistics([Item("0", text, (text,))]).values
    assert rows.sum() in (0.0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_ap_of_texts_is_the_definition(rows):
    """Against the sum over thresholds, and without an unanswerable question no value."""
    items = [
        Item(str(i), "Unanswerable." if said else "a cup", ("x",), meta={"answerable": int(known)})
        for i, (known, said) in enumerate(rows)
    ]
    metric = UnanswerableAp()
    sums = metric.statistics(items).values.sum(axis=0)
    value = float(metric.score(sums[None])[0])
    labels, scores = [int(not known) for known, _ in rows], [float(said) for _, said in rows]
    if not sum(labels):
        assert math.isnan(value)
    else:
        expected = 100 * literal_average_precision(labels, scores)
        assert value == pytest.approx(expected, abs=1e-9)


def test_ap_signature():
    assert UnanswerableAp().signature(3) == f"unanswerable_ap|conf:text|n:3|v:{__version__}"


def test_a_single_question_has_no_average_precision():
    """A missed question alone has the average precision of a found one: 1."""
    metric = UnanswerableAp()
    humans = ("unanswerable",) * 10
    values = metric.statistics([Item("a", "cat", humans), Item("b", "unanswerable", humans)]).values
    assert all(math.isnan(score) for score in metric.per_sample(values))
    assert metric.score(values.sum(axis=0)) == 100.0

"""The sentences of the verbalised classifier."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mio_eval.models.starter import captioner
from mio_eval.models.starter.captioner import imagenet_labels, spoken, verbalise, with_article

LABELS = imagenet_labels()


def say(**believed: float) -> str:
    """Verbalise ImageNet probabilities given as label_with_underscores=p; the rest is spread."""
    wanted = {name.replace("_", " "): p for name, p in believed.items()}
    rest = (1 - sum(wanted.values())) / (len(LABELS) - len(wanted))
    return verbalise([wanted.get(label, rest) for label in LABELS], LABELS)


def test_the_list_is_imagenets_in_its_order():
    assert len(LABELS) == 1000
    assert len(set(LABELS)) == 998  # two names occur twice
    known = {
        0: "tench",
        1: "goldfish",
        285: "Egyptian Mau",
        388: "giant panda",
        999: "toilet paper",
    }
    assert {index: LABELS[index] for index in known} == known
    assert all(label == label.strip() and label for label in LABELS)


def test_every_group_and_bare_name_is_in_the_list():
    for word, first, last in captioner.GROUPS:
        assert LABELS.index(first) < LABELS.index(last), word
    assert {spoken(label) for label in LABELS} >= captioner.BARE


def test_groups_hold_what_they_say():
    kinds = captioner._kinds(LABELS)
    assert [LABELS[i] for i, kind in enumerate(kinds) if kind == "cat"] == [
        "tabby cat",
        "tiger cat",
        "Persian cat",
        "Siamese cat",
        "Egyptian Mau",
    ]
    assert kinds.count("dog") == 118
    assert kinds.count("bird") == 18 + 21 + 20
    assert kinds[LABELS.index("giant panda")] is None
    assert kinds[LABELS.index("hen of the woods mushroom")] == "mushroom"


@pytest.mark.parametrize(
    ("believed", "sentence"),
    [
        ({"tabby_cat": 0.9}, "a photo of a tabby cat"),
        ({"umbrella": 0.5}, "a photo of an umbrella"),
        ({"jeans": 0.7}, "a photo of jeans"),
        ({"tiger_cat": 0.4, "tabby_cat": 0.2}, "a photo of a cat"),
        ({"tiger_cat": 0.4, "vase": 0.1}, "a photo of a tiger cat"),
        ({"desk": 0.3, "monitor": 0.2}, "a photo of a desk and a monitor"),
        ({"desk": 0.3, "monitor": 0.1}, "a photo of a desk"),
        ({"pug": 0.2, "Boxer": 0.15}, "a photo of a dog"),
        ({"pug": 0.2, "couch": 0.15}, "a photo of a pug and a couch"),
        ({"pug": 0.05, "couch": 0.03}, "a photo of something like a pug"),
        ({"mashed_potatoes": 0.3, "red_wine": 0.3}, "a photo of mashed potatoes and red wine"),
    ],
)
def test_sentences(believed, sentence):
    assert say(**believed) == sentence


def test_classes_of_one_name_count_together():
    probabilities = [0.26 if label == "missile" else 0.48 / 998 for label in LABELS]
    assert verbalise(probabilities, LABELS) == "a photo of a missile"  # twice 0.26
    labels = ["crane (machine)", "crane (bird)", "pier"]
    assert verbalise([0.3, 0.3, 0.4], labels) == "a photo of a crane"


def test_a_tie_goes_to_the_first_label():
    assert verbalise([0.5, 0.5], ["pear", "apple"]) == "a photo of a pear"


def test_one_label_is_enough():
    assert verbalise([1.0], ["apple"]) == "a photo of an apple"


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("kite (bird of prey)", "a kite"),
        ("baluster / handrail", "a baluster"),
        ("unicycle", "a unicycle"),
        ("one-piece bathing suit", "a one-piece bathing suit"),
        ("hourglass", "an hourglass"),
        ("house finch", "a house finch"),
        ("European polecat", "a European polecat"),
        ("iPod", "an iPod"),
        ("umbrella", "an umbrella"),
        ("upright piano", "an upright piano"),
        ("sunglasses", "sunglasses"),
    ],
)
def test_articles(label, said):
    assert with_article(spoken(label)) == said


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ([], []),
        ([1.0], ["a", "b"]),
        ([0.5, 0.4], ["a", "b"]),
        ([1.5, -0.5], ["a", "b"]),
        ([math.nan, 1.0], ["a", "b"]),
        ([math.inf, 0.0], ["a", "b"]),
    ],
)
def test_what_is_not_a_distribution_is_refused(probabilities, labels):
    with pytest.raises(ValueError, match="probabilities"):
        verbalise(probabilities, labels)


@given(st.dictionaries(st.integers(0, 999), st.floats(0, 1), max_size=8), st.floats(1e-6, 1e-2))
def test_any_distribution_gives_one_sentence(peaks, floor):
    weights = [peaks.get(index, 0.0) + floor for index in range(1000)]
    total = math.fsum(weights)
    probabilities = [weight / total for weight in weights]
    sentence = verbalise(probabilities, LABELS)
    assert sentence.startswith("a photo of ")
    assert "(" not in sentence
    assert "/" not in sentence
    assert sentence == verbalise(probabilities, LABELS)

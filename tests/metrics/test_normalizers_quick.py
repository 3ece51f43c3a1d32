"""The short cuts through Whisper's English normaliser change no result."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mio_eval.metrics import normalizers
from mio_eval.metrics.normalizers import normalizer
from mio_eval.metrics.normalizers_quick import quick_english

TABLE = json.loads(
    normalizers.resources.files("mio_eval.metrics").joinpath(normalizers._SPELLING).read_bytes()
)
ORIGINAL = normalizers._whisper_module().EnglishTextNormalizer(TABLE)
HARD = """
    a the cat colour Mr mrs ST. jr won't can't it's 's 'd been y'all uh hmm um gonna wanna
    one two twenty first half and thousand o double point percent minus dollars cents
    1 20 3.5 $4 ¢7 £2 50% 1st 2,000 -3 +4 a1 1b .5 5. half. Half and-a-half
    [x] <y> (z) ( ] é naïve œ ٣ _ _mr mr_ won<x>'t
"""
SPACES = st.sampled_from(
    [" ", "  ", "\t", "\n", "-", ", ", ". ", "'", "", "!", "\x1c", "\x1f", "\xa0"]
)
TEXTS = st.lists(st.tuples(st.sampled_from(HARD.split()), SPACES), max_size=12).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)


def outcome(normalize, text):
    try:
        return normalize(text).strip()
    except (ValueError, TypeError, IndexError) as error:
        return type(error)


@given(TEXTS)
def test_equals_the_original_on_texts_of_hard_words(text):
    assert outcome(normalizer("whisper-en"), text) == outcome(ORIGINAL, text)


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_equals_the_original_on_ascii(text):
    assert outcome(normalizer("whisper-en"), text) == outcome(ORIGINAL, text)


@given(st.text(max_size=30))
def test_equals_the_original_on_any_text(text):
    assert outcome(normalizer("whisper-en"), text) == outcome(ORIGINAL, text)


@pytest.mark.parametrize("pattern", [r"\bmisters?\b", "colou?r", r"\d+th"])
def test_a_pattern_of_another_form_takes_the_whole_way(pattern):
    module = normalizers._whisper_module()
    whole = module.EnglishTextNormalizer(TABLE)
    whole.replacers = {**whole.replacers, pattern: " x "}
    assert quick_english(whole, module) is whole

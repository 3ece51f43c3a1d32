"""Codes to tokens and back; whatever a model writes is whole codes or an exact reason."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mio_eval.models.mio.tokens import (
    BadImageError,
    BadSpeechError,
    image_text,
    read_image,
    read_speech,
    speech_text,
)

CODES = 8192


@given(st.lists(st.integers(0, CODES - 1), min_size=32, max_size=32))
def test_an_image_comes_back(codes: list[int]) -> None:
    text = image_text(codes)
    assert text.count("<img") == 32
    assert read_image(text, 32, CODES) == codes
    assert read_image(f"Here it is: {text} and more {text}", 32, CODES) == codes
    # The release's reader takes white space between tokens too.
    assert read_image(text.replace("><", "> <"), 32, CODES) == codes


@given(st.integers(1, 20).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 1023), min_size=n, max_size=n), min_size=4, max_size=4
    )
))  # fmt: skip
def test_speech_comes_back(levels: list[list[int]]) -> None:
    assert read_speech(speech_text(levels)) == levels


def test_the_written_forms_are_the_releases() -> None:
    assert image_text([5, 0, 8191]) == "<image><img5><img0><img8191></image>"
    assert speech_text([[3, 1023]]) == "<spch><spch3><spch1023></spch>"
    levels = [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert speech_text(levels) == (
        "<spch><spch1><spch2><spch1027><spch1028><spch2053><spch2054><spch3079><spch3080></spch>"
    )


IMAGE = image_text(range(32))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no picture here", "no <image> in the output (0 tokens of its kind)"),
        (IMAGE.replace("<image>", ""), "no <image> in the output (32 tokens of its kind)"),
        (IMAGE.replace("</image>", ""), "no </image> after <image>: the output ended after 32"),
        (IMAGE.replace("<img7>", ""), "the image has 31 tokens, expected 32"),
        (IMAGE.replace("<img7>", "<img7><img7>"), "the image has 33 tokens, expected 32"),
        ("<image></image>", "the image has 0 tokens, expected 32"),
        (IMAGE.replace("<img7>", "<img8192>"), "<img8192> is not one of the 8192 image tokens"),
        (IMAGE.replace("<img7>", "<img7>oops"), "there is other text: 'oops'"),
        (IMAGE.replace("<img7>", "<spch7>"), "there is other text: '<spch7>'"),
    ],
)
def test_a_malformed_image_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadImageError, match=re.escape(reason)):
        read_image(text, 32, CODES)


LEVELS = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]
SPEECH = speech_text(LEVELS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("silence", "no <spch> in the output (0 tokens of its kind)"),
        (SPEECH.replace("</spch>", ""), "no </spch> after <spch>: the output ended after 12"),
        ("<spch></spch>", "the speech is empty"),
        (
            SPEECH.replace("<spch3084>", ""),
            "speech blocks are content 3, timbre0 3, timbre1 3, timbre2 2; "
            "expected four of equal length",
        ),
        (speech_text(LEVELS[:3]), "content 3, timbre0 3, timbre1 3; expected content, timbre0"),
        (speech_text(LEVELS[:1]), "speech blocks are content 3; expected content, timbre0"),
        (
            "<spch><spch1025><spch1><spch2049><spch3073></spch>",
            "timbre0 1, content 1, timbre1 1, timbre2 1; expected content, timbre0",
        ),
        (SPEECH.replace("<spch1>", "<spch4096>"), "<spch4096> is not one of the 4096 speech"),
        (SPEECH.replace("<spch1>", "<img1>"), "there is other text: '<img1>'"),
    ],
)
def test_malformed_speech_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadSpeechError, match=re.escape(reason)):
        read_speech(text)


PIECE = st.one_of(
    st.sampled_from(["<image>", "</image>", "<spch>", "</spch>", "<|im_end|>", "<unk>", " ", "\n"]),
    st.integers(0, 10_000).map(lambda n: f"<img{n}>"),
    st.integers(0, 5_000).map(lambda n: f"<spch{n}>"),
    st.text(max_size=3),
)


@settings(max_examples=300)
@given(st.lists(PIECE, max_size=60).map("".join))
def test_token_soup_is_codes_or_a_reason(text: str) -> None:
    # Any other exception fails the test.
    with suppress(BadImageError):
        codes = read_image(text, 32, CODES)
        assert len(codes) == 32
        assert all(0 <= code < CODES for code in codes)
    with suppress(BadSpeechError):
        levels = read_speech(text)
        assert len({len(level) for level in levels}) == 1
        assert all(0 <= code < 1024 for level in levels for code in level)

"""Codes to tokens and back; whatever a model writes is whole codes or an exact reason."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from models.token_llm.soup import CODES, check_image, levels, soup

from mio_eval.models.mio.tokens import IMAGE, read_speech, speech_text
from mio_eval.models.token_llm.tokens import BadImageError, BadSpeechError, read_image


@given(levels(1024))
def test_speech_comes_back(codes: list[list[int]]) -> None:
    assert read_speech(speech_text(codes)) == codes


def test_the_written_forms_are_the_releases() -> None:
    assert IMAGE.write([5, 0, 8191]) == "<image><img5><img0><img8191></image>"
    assert speech_text([[3, 1023]]) == "<spch><spch3><spch1023></spch>"
    assert speech_text([[1, 2], [3, 4], [5, 6], [7, 8]]) == (
        "<spch><spch1><spch2><spch1027><spch1028><spch2053><spch2054><spch3079><spch3080></spch>"
    )


PICTURE = IMAGE.write(range(32))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no picture here", "no <image> in the output (0 tokens of its kind)"),
        (PICTURE.replace("<image>", ""), "no <image> in the output (32 tokens of its kind)"),
        (PICTURE.replace("</image>", ""), "no </image> after <image>: the output ended after 32"),
        (PICTURE.replace("<img7>", ""), "the image has 31 tokens, expected 32"),
        (PICTURE.replace("<img7>", "<img7><img7>"), "the image has 33 tokens, expected 32"),
        ("<image></image>", "the image has 0 tokens, expected 32"),
        (PICTURE.replace("<img7>", "<img8192>"), "<img8192> is not one of the 8192 image tokens"),
        (PICTURE.replace("<img7>", "<img7>oops"), "there is other text: 'oops'"),
        (PICTURE.replace("<img7>", "<spch7>"), "there is other text: '<spch7>'"),
    ],
)
def test_a_malformed_image_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadImageError, match=re.escape(reason)):
        read_image(IMAGE, text, 32, CODES)


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


MARKERS = ["<image>", "</image>", "<spch>", "</spch>", "<|im_end|>", "<unk>", " ", "\n"]


@settings(max_examples=300)
@given(soup(MARKERS, {"img": 10_000, "spch": 5_000}))
def test_token_soup_is_codes_or_a_reason(text: str) -> None:
    check_image(IMAGE, text)
    with suppress(BadSpeechError):
        found = read_speech(text)
        assert len({len(level) for level in found}) == 1
        assert all(0 <= code < 1024 for level in found for code in level)

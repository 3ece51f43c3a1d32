"""Codes to tokens and back; whatever a model writes is whole codes or an exact reason."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.token_llm.soup import CODES, check_image, levels, soup

from mio_eval.models.anygpt.tokens import (
    IMAGE,
    SPEECH,
    BadMusicError,
    music_text,
    read_music,
    read_speech,
)
from mio_eval.models.token_llm.tokens import BadImageError, BadSpeechError, read_image

READERS = {
    "image": (lambda text: read_image(IMAGE, text, 32, CODES), BadImageError),
    "speech": (read_speech, BadSpeechError),
    "music": (read_music, BadMusicError),
}


@given(st.lists(st.integers(0, 1023), min_size=1, max_size=60))
def test_speech_comes_back(codes: list[int]) -> None:
    assert read_speech(f"words {SPEECH.write(codes)}") == codes


@given(levels(2048))
def test_music_comes_back(codes: list[list[int]]) -> None:
    assert read_music(music_text(codes)) == codes


PICTURE, SAID = IMAGE.write(range(32)), SPEECH.write([3, 4, 5])
PLAYED = music_text([[1, 2], [3, 4], [5, 6], [7, 8]])


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("image", "no picture here", "no <soim> in the output (0 tokens of its kind)"),
        ("image", PICTURE.replace("<soim>", ""), "no <soim> in the output (32 tokens of its kind)"),
        (
            "image",
            PICTURE.replace("<eoim>", ""),
            "no <eoim> after <soim>: the output ended after 32",
        ),
        ("image", PICTURE.replace("<👀7>", ""), "the image has 31 tokens, expected 32"),
        (
            "image",
            PICTURE.replace("<👀7>", "<👀8192>"),
            "<👀8192> is not one of the 8192",
        ),
        ("image", PICTURE.replace("<👀7>", "<🗣️7>"), "there is other text: '<🗣️7>'"),
        ("speech", "silence", "no <sosp> in the output (0 tokens of its kind)"),
        (
            "speech",
            SAID.replace("<eosp>", ""),
            "no <eosp> after <sosp>: the output ended",
        ),
        ("speech", "<sosp><eosp>", "the speech is empty"),
        ("speech", SAID.replace("🗣️4", "🗣️1024"), "<🗣️1024> is not one of the 1024"),
        ("speech", SAID.replace("<🗣️4>", "um"), "there is other text: 'um'"),
        # The sign without its variation selector is another token.
        ("speech", SAID.replace("\ufe0f4", "4"), "there is other text"),
        ("music", "<somu><eomu>", "the music is empty"),
        (
            "music",
            PLAYED.replace("<🎶6152>", ""),
            "has 7 tokens, expected a multiple of 4",
        ),
        (
            "music",
            PLAYED.replace("<🎶2051>", "<🎶3>"),
            "music token 1 is <🎶3>, of level 0; expected one of level 1",
        ),
    ],
)
def test_malformed_media_say_why(kind: str, text: str, reason: str) -> None:
    reader, error = READERS[kind]
    with pytest.raises(error, match=re.escape(reason)):
        reader(text)


MARKERS = ["<soim>", "<eoim>", "<sosp>", "<eosp>", "<somu>", "<eomu>", "<eos>", " "]


@settings(max_examples=300)
@given(soup(MARKERS, {"👀": 10_000, "🗣️": 1_500, "🎶": 9_000}))
def test_token_soup_is_codes_or_a_reason(text: str) -> None:
    check_image(IMAGE, text)
    with suppress(BadSpeechError):
        said = read_speech(text)
        assert said
        assert all(0 <= code < 1024 for code in said)
    with suppress(BadMusicError):
        played = read_music(text)
        assert len({len(level) for level in played}) == 1
        assert all(0 <= code < 2048 for level in played for code in level)

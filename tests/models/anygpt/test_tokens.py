"""Codes to tokens and back; whatever a model writes is whole codes or an exact reason."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mio_eval.models.anygpt.tokens import (
    BadMusicError,
    image_text,
    music_text,
    read_image,
    read_music,
    read_speech,
    speech_text,
)
from mio_eval.models.mio.tokens import BadImageError, BadSpeechError

CODES = 8192
READERS = {
    "image": (lambda text: read_image(text, 32, CODES), BadImageError),
    "speech": (read_speech, BadSpeechError),
    "music": (read_music, BadMusicError),
}


@given(st.lists(st.integers(0, CODES - 1), min_size=32, max_size=32))
def test_an_image_comes_back(codes: list[int]) -> None:
    text = image_text(codes)
    assert read_image(text, 32, CODES) == codes
    assert read_image(f"Here it is: {text} and more {text}", 32, CODES) == codes
    assert read_image(text.replace("><", "> <"), 32, CODES) == codes


@given(st.lists(st.integers(0, 1023), min_size=1, max_size=60))
def test_speech_comes_back(codes: list[int]) -> None:
    assert read_speech(f"words {speech_text(codes)}") == codes


@given(st.integers(1, 20).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 2047), min_size=n, max_size=n), min_size=4, max_size=4
    )
))  # fmt: skip
def test_music_comes_back(levels: list[list[int]]) -> None:
    assert read_music(music_text(levels)) == levels


IMAGE, SPEECH = image_text(range(32)), speech_text([3, 4, 5])
MUSIC = music_text([[1, 2], [3, 4], [5, 6], [7, 8]])


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("image", "no picture here", "no <soim> in the output (0 tokens of its kind)"),
        ("image", IMAGE.replace("<soim>", ""), "no <soim> in the output (32 tokens of its kind)"),
        ("image", IMAGE.replace("<eoim>", ""), "no <eoim> after <soim>: the output ended after 32"),
        ("image", IMAGE.replace("<👀7>", ""), "the image has 31 tokens, expected 32"),
        (
            "image",
            IMAGE.replace("<👀7>", "<👀8192>"),
            "<👀8192> is not one of the 8192",
        ),
        ("image", IMAGE.replace("<👀7>", "<🗣️7>"), "there is other text: '<🗣️7>'"),
        ("speech", "silence", "no <sosp> in the output (0 tokens of its kind)"),
        (
            "speech",
            SPEECH.replace("<eosp>", ""),
            "no <eosp> after <sosp>: the output ended",
        ),
        ("speech", "<sosp><eosp>", "the speech is empty"),
        ("speech", SPEECH.replace("🗣️4", "🗣️1024"), "<🗣️1024> is not one of the 1024"),
        ("speech", SPEECH.replace("<🗣️4>", "um"), "there is other text: 'um'"),
        # The sign without its variation selector is another token.
        ("speech", SPEECH.replace("\ufe0f4", "4"), "there is other text"),
        ("music", "<somu><eomu>", "the music is empty"),
        (
            "music",
            MUSIC.replace("<🎶6152>", ""),
            "has 7 tokens, expected a multiple of 4",
        ),
        (
            "music",
            MUSIC.replace("<🎶2051>", "<🎶3>"),
            "music token 1 is <🎶3>, of level 0; expected one of level 1",
        ),
    ],
)
def test_malformed_media_say_why(kind: str, text: str, reason: str) -> None:
    reader, error = READERS[kind]
    with pytest.raises(error, match=re.escape(reason)):
        reader(text)


PIECE = st.one_of(
    st.sampled_from(["<soim>", "<eoim>", "<sosp>", "<eosp>", "<somu>", "<eomu>", "<eos>", " "]),
    st.integers(0, 10_000).map(lambda n: f"<👀{n}>"),
    st.integers(0, 1_500).map(lambda n: f"<🗣️{n}>"),
    st.integers(0, 9_000).map(lambda n: f"<🎶{n}>"),
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
        said = read_speech(text)
        assert said
        assert all(0 <= code < 1024 for code in said)
    with suppress(BadMusicError):
        levels = read_music(text)
        assert len({len(level) for level in levels}) == 1
        assert all(0 <= code < 2048 for level in levels for code in level)

"""AnyGPT's media in text: how codes are written as tokens, and read back out of what it wrote.

Facts of the release (OpenMOSS/AnyGPT, `m_utils/anything2token.py`): an image is `<soim>`, 32 tokens
`<👀N>`, `<eoim>`; speech is `<sosp>`, tokens `<🗣️N>` of the first level alone, `<eosp>`; music is
`<somu>`, tokens `<🎶N>`, `<eomu>`, step after step the four levels, where N is code + 2048 × level.
The speech token's sign is two characters: U+1F5E3 and the variation selector U+FE0F.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..mio.tokens import BadImageError, BadSpeechError, between, only

IMAGE, IMAGE_START, IMAGE_END = "👀", "<soim>", "<eoim>"
SPEECH, SPEECH_START, SPEECH_END = "🗣️", "<sosp>", "<eosp>"
MUSIC, MUSIC_START, MUSIC_END = "🎶", "<somu>", "<eomu>"
IMAGE_CODES, SPEECH_CODES = 8192, 1024
MUSIC_CODES, MUSIC_LEVELS = 2048, 4

_IMAGE = re.compile(rf"<{IMAGE}(\d+)>")
_SPEECH = re.compile(rf"<{SPEECH}(\d+)>")
_MUSIC = re.compile(rf"<{MUSIC}(\d+)>")


class BadMusicError(ValueError):
    """The model's output holds no whole music."""


def image_text(codes: Iterable[int]) -> str:
    """Write an image's codes as tokens."""
    return IMAGE_START + "".join(f"<{IMAGE}{code}>" for code in codes) + IMAGE_END


def speech_text(codes: Iterable[int]) -> str:
    """Write the first level of speech as tokens."""
    return SPEECH_START + "".join(f"<{SPEECH}{code}>" for code in codes) + SPEECH_END


def music_text(levels: Sequence[Sequence[int]]) -> str:
    """Write four levels of music as tokens, step after step."""
    tokens = (
        f"<{MUSIC}{code + MUSIC_CODES * level}>"
        for step in zip(*levels, strict=True)
        for level, code in enumerate(step)
    )
    return MUSIC_START + "".join(tokens) + MUSIC_END


def read_image(text: str, count: int, codes: int) -> list[int]:
    """Return the codes of the first image in `text`, `count` of them below `codes`.

    Raises BadImageError, which says what is wrong and how many tokens there were.
    """
    body = between(text, IMAGE_START, IMAGE_END, _IMAGE, BadImageError)
    found = [int(n) for n in only(body, _IMAGE, BadImageError)]
    if len(found) != count:
        raise BadImageError(f"the image has {len(found)} tokens, expected {count}")
    if high := [n for n in found if n >= codes]:
        raise BadImageError(f"<{IMAGE}{high[0]}> is not one of the {codes} image tokens")
    return found


def read_speech(text: str) -> list[int]:
    """Return the codes of the first speech in `text`. Raises BadSpeechError with the reason."""
    body = between(text, SPEECH_START, SPEECH_END, _SPEECH, BadSpeechError)
    found = [int(n) for n in only(body, _SPEECH, BadSpeechError)]
    if not found:
        raise BadSpeechError("the speech is empty")
    if high := [n for n in found if n >= SPEECH_CODES]:
        raise BadSpeechError(f"<{SPEECH}{high[0]}> is not one of the {SPEECH_CODES} speech tokens")
    return found


def read_music(text: str) -> list[list[int]]:
    """Return the codes of the first music in `text`, four levels of equal length.

    The release takes every number modulo 2048 and drops a last step that is not whole; here each is
    an error. Raises BadMusicError with the reason.
    """
    body = between(text, MUSIC_START, MUSIC_END, _MUSIC, BadMusicError)
    found = [int(n) for n in only(body, _MUSIC, BadMusicError)]
    if not found:
        raise BadMusicError("the music is empty")
    if len(found) % MUSIC_LEVELS:
        raise BadMusicError(
            f"the music has {len(found)} tokens, expected a multiple of {MUSIC_LEVELS}"
        )
    for place, token in enumerate(found):
        level = place % MUSIC_LEVELS
        if token // MUSIC_CODES != level:
            raise BadMusicError(
                f"music token {place} is <{MUSIC}{token}>, of level {token // MUSIC_CODES}; "
                f"expected one of level {level}"
            )
    return [
        [token % MUSIC_CODES for token in found[level::MUSIC_LEVELS]]
        for level in range(MUSIC_LEVELS)
    ]

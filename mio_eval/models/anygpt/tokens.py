"""AnyGPT's media in text: how codes are written as tokens, and read back out of what it wrote.

Facts of the release (OpenMOSS/AnyGPT, `m_utils/anything2token.py`): an image is `<soim>`, 32 tokens
`<👀N>`, `<eoim>`; speech is `<sosp>`, tokens `<🗣️N>` of the first level alone, `<eosp>`; music is
`<somu>`, tokens `<🎶N>`, `<eomu>`, step after step the four levels, where N is code + 2048 × level.
The speech token's sign is two characters: U+1F5E3 and the variation selector U+FE0F.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..token_llm.tokens import BadImageError, BadSpeechError, Medium

SPEECH_CODES = 1024
MUSIC_CODES, MUSIC_LEVELS = 2048, 4


class BadMusicError(ValueError):
    """The model's output holds no whole music."""


IMAGE = Medium("👀", "<soim>", "<eoim>", BadImageError)
SPEECH = Medium("🗣️", "<sosp>", "<eosp>", BadSpeechError)
MUSIC = Medium("🎶", "<somu>", "<eomu>", BadMusicError)


def music_text(levels: Sequence[Sequence[int]]) -> str:
    """Write four levels of music as tokens, step after step."""
    return MUSIC.write(
        code + MUSIC_CODES * level
        for step in zip(*levels, strict=True)
        for level, code in enumerate(step)
    )


def read_speech(text: str) -> list[int]:
    """Return the codes of the first speech in `text`. Raises BadSpeechError with the reason."""
    found = SPEECH.read(text)
    if not found:
        raise BadSpeechError("the speech is empty")
    if high := [n for n in found if n >= SPEECH_CODES]:
        raise BadSpeechError(
            f"{SPEECH.token(high[0])} is not one of the {SPEECH_CODES} speech tokens"
        )
    return found


def read_music(text: str) -> list[list[int]]:
    """Return the codes of the first music in `text`, four levels of equal length.

    The release takes every number modulo 2048 and drops a last step that is not whole; here each is
    an error. Raises BadMusicError with the reason.
    """
    found = MUSIC.read(text)
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
                f"music token {place} is {MUSIC.token(token)}, of level {token // MUSIC_CODES}; "
                f"expected one of level {level}"
            )
    return [
        [token % MUSIC_CODES for token in found[level::MUSIC_LEVELS]]
        for level in range(MUSIC_LEVELS)
    ]

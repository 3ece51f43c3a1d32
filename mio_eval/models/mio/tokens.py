"""MIO's media in text: how codes are written as tokens, and read back out of what it wrote.

Facts of the release (MIO-Team/MIO, `tokenization_mio.py`; MIO paper, section 2.1): an image is
`<image>`, 32 tokens `<imgN>`, `</image>`. Speech is `<spch>`, tokens `<spchN>`, `</spch>`, where N
is code + 1024 × level; as input the first level alone, as output four levels one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LEVELS = ("content", "timbre0", "timbre1", "timbre2")
CODES = 1024  # of one level of speech
IMAGE_START, IMAGE_END = "<image>", "</image>"
SPEECH_START, SPEECH_END = "<spch>", "</spch>"

_IMAGE = re.compile(r"<img(\d+)>")
_SPEECH = re.compile(r"<spch(\d+)>")


class BadImageError(ValueError):
    """The model's output holds no whole image."""


class BadSpeechError(ValueError):
    """The model's output holds no whole speech."""


def image_text(codes: Iterable[int]) -> str:
    """Write an image's codes as tokens."""
    return IMAGE_START + "".join(f"<img{code}>" for code in codes) + IMAGE_END


def speech_text(levels: Sequence[Sequence[int]]) -> str:
    """Write codes of speech as tokens, level after level: one level as input, four as output."""
    tokens = (f"<spch{code + CODES * n}>" for n, level in enumerate(levels) for code in level)
    return SPEECH_START + "".join(tokens) + SPEECH_END


def read_image(text: str, count: int, codes: int) -> list[int]:
    """Return the codes of the first image in `text`.

    Args:
        text: what the model wrote.
        count: tokens an image must have.
        codes: entries of the codebook.

    Raises BadImageError, which says what is wrong and how many tokens there were.
    """
    body = between(text, IMAGE_START, IMAGE_END, _IMAGE, BadImageError)
    found = [int(n) for n in only(body, _IMAGE, BadImageError)]
    if len(found) != count:
        raise BadImageError(f"the image has {len(found)} tokens, expected {count}")
    if high := [n for n in found if n >= codes]:
        raise BadImageError(f"<img{high[0]}> is not one of the {codes} image tokens")
    return found


def read_speech(text: str) -> list[list[int]]:
    """Return the codes of the first speech in `text`, four levels of equal length.

    Raises BadSpeechError, which says which block is missing, misplaced or short.
    """
    body = between(text, SPEECH_START, SPEECH_END, _SPEECH, BadSpeechError)
    numbers = [int(n) for n in only(body, _SPEECH, BadSpeechError)]
    if not numbers:
        raise BadSpeechError("the speech is empty")
    blocks: list[tuple[int, list[int]]] = []
    for number in numbers:
        level, code = divmod(number, CODES)
        if level >= len(LEVELS):
            raise BadSpeechError(f"<spch{number}> is not one of the 4096 speech tokens")
        if not blocks or blocks[-1][0] != level:
            blocks.append((level, []))
        blocks[-1][1].append(code)
    said = ", ".join(f"{LEVELS[level]} {len(codes)}" for level, codes in blocks[:8])
    said += ", …" if len(blocks) > 8 else ""
    if [level for level, _ in blocks] != list(range(len(LEVELS))):
        raise BadSpeechError(f"speech blocks are {said}; expected {', '.join(LEVELS)}, each once")
    if len({len(codes) for _, codes in blocks}) > 1:
        raise BadSpeechError(f"speech blocks are {said}; expected four of equal length")
    return [codes for _, codes in blocks]


def between(
    text: str, start: str, end: str, token: re.Pattern[str], error: type[ValueError]
) -> str:
    """Return what lies between the first start marker and the end marker after it."""
    at = text.find(start)
    if at < 0:
        raise error(f"no {start} in the output ({count_tokens(text, token)} tokens of its kind)")
    stop = text.find(end, at)
    if stop < 0:
        count = count_tokens(text[at:], token)
        raise error(f"no {end} after {start}: the output ended after {count} tokens of its kind")
    return text[at + len(start) : stop]


def only(body: str, token: re.Pattern[str], error: type[ValueError]) -> list[str]:
    """Return the numbers of the tokens in `body`, in which nothing else may be."""
    rest = token.sub("", body).strip()
    if rest:
        shown = " ".join(rest.split())[:40]
        raise error(f"between the tokens there is other text: {shown!r}")
    return token.findall(body)


def count_tokens(text: str, token: re.Pattern[str]) -> int:
    """Count tokens of one kind."""
    return len(token.findall(text))

"""MIO's media in text.

Facts of the release (MIO-Team/MIO, `tokenization_mio.py`; MIO paper, section 2.1): an image is
`<image>`, 32 tokens `<imgN>`, `</image>`. Speech is `<spch>`, tokens `<spchN>`, `</spch>`, where N
is code + 1024 × level; as input the first level alone, as output four levels one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..token_llm.tokens import BadImageError, BadSpeechError, Medium

LEVELS = ("content", "timbre0", "timbre1", "timbre2")
CODES = 1024  # of one level of speech
IMAGE = Medium("img", "<image>", "</image>", BadImageError)
SPEECH = Medium("spch", "<spch>", "</spch>", BadSpeechError)


def speech_text(levels: Sequence[Sequence[int]]) -> str:
    """Write codes of speech as tokens, level after level: one level as input, four as output."""
    return SPEECH.write(code + CODES * n for n, level in enumerate(levels) for code in level)


def read_speech(text: str) -> list[list[int]]:
    """Return the codes of the first speech in `text`, four levels of equal length.

    Raises BadSpeechError, which says which block is missing, misplaced or short.
    """
    numbers = SPEECH.read(text)
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

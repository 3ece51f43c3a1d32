"""Rules that read the chosen letter (or yes/no) from a generated answer.

Each rule has a pinned name, which signatures show. A rule returns what it read, or None where the
output holds no answer that it can read; it never guesses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import TypeAlias

LetterRule: TypeAlias = Callable[[str, Sequence[str]], str | None]


def letters_of(choices: Sequence[str]) -> str:
    """Return the letters that name options: A, B, … in the order of the options."""
    return ascii_uppercase[: len(choices)]


def first_char(text: str, choices: Sequence[str]) -> str | None:
    """Take the first character of the stripped output (SEED-Bench in lmms-eval, 2024).

    "A man" is A, "Both" is B, "(A)" and "a" are wrong.
    """
    return text.strip()[:1] or None


# In the original two pairs of strings lack the comma between them, and became one string each.
_VIDEO_MME_REMOVED = (
    *("The best answer is", "The correct answer is", "The answer is", "The answer"),
    *("The best option isThe correct option is", "Best answer:Best option:"),
    *("Answer:", "Option:", "The correct answer", "The correct option"),
)


def video_mme(text: str, choices: Sequence[str]) -> str | None:
    """Remove fixed phrases, then take the first capital A-D anywhere (Video-MME).

    Source: thanku-all/parse_answer at afd52cf. "Best option: A" is B, "Cannot determine" is C.
    There, questions without an answer leave the denominator; here they are wrong.
    """
    text = text.strip()
    for phrase in _VIDEO_MME_REMOVED:
        text = text.replace(phrase, "")
    found = re.search("[ABCD]", text)
    return found[0] if found else None


_VLMEVALKIT_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_VLMEVALKIT_SPACED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_VLMEVALKIT_STATED = re.compile(r"answer\s+is\s+\**([ABCD])\**", re.IGNORECASE)
_LAST_WORDS = 5


def vlmevalkit_can_infer(text: str, choices: Sequence[str]) -> str | None:
    """Infer the option as VLMEvalKit does before it asks a language model.

    Source: open-compass/VLMEvalKit at e8e78f0, `can_infer`. One option letter as a word of its
    own among the last five words; else "answer is X" (any case); else the only option whose text
    the output contains. Z means that the model refused.
    """
    letter = _vlmevalkit_option(text, letters_of(choices))
    if letter is not None:
        return letter
    lowered = text.lower()
    if len(lowered) > 2 * sum(map(len, choices)):
        return None
    found = [
        letter
        for letter, choice in zip(letters_of(choices), choices, strict=False)
        if choice.lower() in lowered
    ]
    return found[0] if len(found) == 1 else None


def _vlmevalkit_option(text: str, letters: str) -> str | None:
    if "Failed to obtain answer via API" in text:
        return None
    if any(refusal in text for refusal in _VLMEVALKIT_REFUSALS):
        return "Z"
    words = text.translate(_VLMEVALKIT_SPACED).split()
    found = [letter for letter in letters if letter in words]
    if len(found) == 1 and words.index(found[0]) > len(words) - _LAST_WORDS:
        return found[0]
    if not found and "Z" in words:
        return "Z"
    stated = _VLMEVALKIT_STATED.search(text)
    if stated and stated[1].upper() in letters:
        return stated[1].upper()
    return None


def mme_yes_no(text: str) -> str | None:
    """Read yes or no from the first four characters, in any case (MME).

    "know" and "Nothing" are no, "Yesterday" is yes; leading spaces count, so "  Yes" is nothing.
    """
    start = text.lower()[:4]
    if "yes" in start:
        return "yes"
    return "no" if "no" in start else None


def ocrbench_contains(text: str, answer: str, formula: bool = False) -> bool:
    """Tell whether the output contains the answer (OCRBench).

    Source: Yuliang-Liu/MultimodalOCR at 794c36d. Case is ignored; for formulas (its data set
    HME100k) case counts and spaces do not. An empty answer is contained in everything.
    """
    if formula:
        return _without_spaces(answer) in _without_spaces(text)
    return _one_line(answer.lower()) in _one_line(text.lower())


def _one_line(text: str) -> str:
    return text.strip().replace("\n", " ")


def _without_spaces(text: str) -> str:
    return _one_line(text).replace(" ", "")

r"""The extractor `letter`: reads the chosen option from free text, and never guesses.

The tests run in order. The first that finds exactly one option decides; the first that finds
several makes the output ambiguous, which is no answer.

1. The output is one letter, any case, with or without brackets and a final mark: `b`, `(B).`
2. The output is the text of an option (case, outer marks and runs of white space aside).
3. A statement: `answer: B`, `the answer is (b)`, `option C`, `B is correct`.
4. The output begins with a letter and a mark: `B. a dog`, `(b) a dog`. If the text of another
   option follows, the output is ambiguous.
5. Capital option letters as words of their own, anywhere: `I would say B`.
6. Option texts as whole words; one inside another that was found does not count.

`A` and `I` before a word are no letters in 3 and 5 (`A man`, `the answer is a dog`), nor is a
letter after `not`; `B or C` and `B, C` are ambiguous. Emphasis marks (`**B**`) and `\boxed{…}` are
removed first, and white space becomes single spaces. Any change here changes the version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .choice_rules import letters_of

VERSION = "letter-1"

_EMPHASIS = re.compile(r"[*_`$]+")
_BOXED = re.compile(r"\\(?:boxed|text)\{([^{}]*)\}")
_END = r"(?![A-Za-z0-9'’])"
_ALONE = re.compile(r"[(\[{]?([A-Za-z])[)\]}]?[.,:;!]?")
_STATED = re.compile(
    r"(?<!not )\b(?:answer|option|choice)\b ?(?:is\b|:|=)? ?(?:option\b|choice\b)? ?:? ?"
    rf"([(\[{{]?)(?<![A-Za-z0-9])([A-Za-z]){_END}[)\]}}]?",
    re.IGNORECASE,
)
_IS_CORRECT = re.compile(
    r"(?<![A-Za-z0-9])([A-Z])[)\]}]? is (?:the )?(?:correct|right|best|answer)\b"
)
_LEADING = re.compile(r"[(\[{]([A-Za-z])[)\]}][.:,;]?(?= |$)|([A-Za-z])[).:,;](?= |$)")
_CAPITAL = re.compile(rf"(?<![A-Za-z0-9'’])(?<!not )(?<!n't )(?<!n’t )([A-Z]){_END}")
_NEXT_WORD = re.compile(r" ([A-Za-z]{2,})")
_ALSO = re.compile(
    rf"(?: or| and| ?/| ?&)+ ?(?:option |choice )?[(\[{{]?((?-i:[A-Z])){_END}"
    r"|,? ?[(\[{]?([A-Z])[)\]}]?(?= ?(?:$|[,./&])| or\b| and\b)",
    re.IGNORECASE,
)
_LETTER_FIRST = frozenset(("because", "since", "as", "for", "and", "or", "is"))
_WORDS_TOO = frozenset("AI")
_OUTER_MARKS = " .,:;!?\"'()[]{}"


def letter(text: str, choices: Sequence[str]) -> str | None:
    """Return the letter of the option that a text names, or None.

    Args:
        text: the output of the model.
        choices: the texts of the options, in order.
    """
    letters = letters_of(choices)
    text = " ".join(_BOXED.sub(r"\1", _EMPHASIS.sub("", text)).split())
    texts = [_plain(choice) for choice in choices]
    alone = _ALONE.fullmatch(text)
    if alone:
        return _one({alone[1].upper()} & set(letters))
    for found in (
        _equal_text(text, letters, texts),
        _stated(text, letters),
        _leading(text, letters, texts),
        _capitals(text, letters),
        _contained(text, letters, texts),
    ):
        if found:
            return _one(found)
    return None


def _one(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _plain(text: str) -> str:
    """Fold case, single spaces, no marks around."""
    return " ".join(_EMPHASIS.sub("", text).casefold().split()).strip(_OUTER_MARKS)


def _equal_text(text: str, letters: str, texts: Sequence[str]) -> set[str]:
    plain = _plain(text)
    return {k for k, choice in zip(letters, texts, strict=False) if plain and choice == plain}


def _is_word(found: str, text: str, end: int) -> bool:
    """Tell the article "a" and the pronoun "I" from letters, by the word that follows."""
    after = _NEXT_WORD.match(text, end)
    if after is None or (found.isupper() and found not in _WORDS_TOO):
        return False
    return not (found.isupper() and after[1] in _LETTER_FIRST)


def _also(text: str, end: int) -> set[str]:
    """Return a letter that goes on after another: `B or C`, `B, C`."""
    more = _ALSO.match(text, end)
    return {(more[1] or more[2]).upper()} if more else set()


def _stated(text: str, letters: str) -> set[str]:
    found = {m[1] for m in _IS_CORRECT.finditer(text)}
    for match in _STATED.finditer(text):
        if match[1] or not _is_word(match[2], text, match.end()):
            found |= {match[2].upper(), *_also(text, match.end())}
    return found & set(letters)


def _leading(text: str, letters: str, texts: Sequence[str]) -> set[str]:
    begin = _LEADING.match(text)
    first = (begin[1] or begin[2]).upper() if begin else ""
    if begin is None or first not in letters:
        return set()
    same = _equal_text(text[begin.end() :], letters, texts)
    others = set() if first in same else same
    return {first, *others, *(_also(text, begin.end()) & set(letters))}


def _capitals(text: str, letters: str) -> set[str]:
    return {
        match[1]
        for match in _CAPITAL.finditer(text)
        if match[1] in letters and not _is_word(match[1], text, match.end())
    }


def _contained(text: str, letters: str, texts: Sequence[str]) -> set[str]:
    plain = _plain(text)
    spans = {
        key: [m.span() for m in re.finditer(rf"(?<!\w){re.escape(choice)}(?!\w)", plain)]
        for key, choice in zip(letters, texts, strict=False)
        if choice
    }
    kept = _outermost({span for found in spans.values() for span in found})
    return {key for key, found in spans.items() if kept.intersection(found)}


def _outermost(spans: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Leave out the spans that lie inside another."""
    kept: set[tuple[int, int]] = set()
    furthest = -1
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end > furthest:
            kept.add((start, end))
            furthest = end
    return kept

"""Penn Treebank tokens for caption metrics, without Java.

COCO caption scores are defined on the tokens of Stanford's PTBTokenizer (CoreNLP 3.4.1, options
``-preserveLines -lowerCase``) from which pycocoevalcap removes a list of punctuation. This module
gives the same tokens. It was written from observed input and output only and holds no part of the
GPL original; docs/metrics/ptb.md says how it was checked and where it differs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mio_eval.metrics.ptb_chars import DROPPED, SOFT_HYPHEN, WIDE_SPACE, shadow_of
from mio_eval.metrics.ptb_rules import (
    ABBREVIATIONS,
    CAPITAL_ABBREVIATIONS,
    RULES,
    SPLIT_WORDS,
    Kind,
)

TOKENIZER = "ptb-1"

# What pycocoevalcap removes. Its list has "-LRB-" in capitals, which never occurs after
# -lowerCase: the tokens of brackets stay, as in every published COCO score.
_REMOVED = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";", ""})

# Characters that Java or Python take for the end of a line, and halves of characters, which cannot
# be written as UTF-8. Each becomes a space, so that one caption stays one line.
_SPACED = str.maketrans(dict.fromkeys("\r\n\x0b\x0c\x85\u2028\u2029", " "))
_WHITE = re.compile(r"\s")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_BLANK = frozenset(" \t\n\xa0" + WIDE_SPACE + DROPPED)
_SINGLE = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "¢": "cents",
    "£": "#",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    **dict.fromkeys("\x80¤₠€", "$"),
    **dict.fromkeys('"–—―\x96\x97…\u058a\u2010\u2011\xad٫٬', ""),
}
_PLAIN_QUOTES = str.maketrans(
    {
        **dict.fromkeys("‘‛\x91‹", "`"),
        **dict.fromkeys("’\x92›", "'"),
        **dict.fromkeys("“«\x93", "``"),
        **dict.fromkeys("”»\x94", "''"),
    }
)
_ROUND = str.maketrans({"(": "-lrb-", ")": "-rrb-"})
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}

# Anything but letters, commas and spaces; then anything but those, digits and inner hyphens.
# Numbers side by side may be a telephone number, and what follows a comma without a space may join
# it (",5"; "red,black-eyed"): both are left to the rules.
_ODD = re.compile("[^A-Za-z, ]")
_ODDER = re.compile("[^A-Za-z0-9, -]|(?<![A-Za-z0-9])-|-(?![A-Za-z0-9])|[0-9] [0-9]")
_COMMA_JOINS = re.compile(",[A-Za-z0-9]")
_HOST_NAME = re.compile(r"\.(?:com|net|org|edu)", re.IGNORECASE)
_NEXT_WORDS = re.compile("[A-Za-z]+(?: +[A-Za-z]+)*(?= )")
_KEEPS_PERIOD = frozenset(f"{ABBREVIATIONS} {CAPITAL_ABBREVIATIONS}".split())
# So much of the following line decides at most: white space and one of the sentence words.
_FOLLOWING = 64
_SENTENCE = "A dog runs."
_ADDRESS_INITIAL = re.compile(r"[A-Za-z]{2,63}\. [^\n]{0,200}(?<![A-Za-z])[A-Za-z]\.\s*\Z")


def ptb_tokenize(caption: str, *, following: str | None = None) -> list[str]:
    """Return the tokens of one caption, in lower case, without punctuation.

    A token may hold a no-break space ("2 1/2" is one token of the original).

    `following` is the next line of the file in the original tool, which reads on: it matters only
    to a caption that ends in an initial or in "no." ("sign at 4th Ave S."), whose period is dropped
    when the next line begins like a sentence ("A dog ..."). Without it the ending is undecided in
    the original; here an initial loses its period where an abbreviation stood before it, as in an
    address. An empty string is the end of the file.
    """
    words = _plain_words(caption)
    if words is not None:
        return words
    if following is None:
        following = _SENTENCE if _ADDRESS_INITIAL.search(caption) else ""
    return _by_rules(caption, following)


def _plain_words(caption: str) -> list[str] | None:
    """Return the tokens of a caption of plain words, or None where the rules have to decide."""
    text = caption.rstrip(" ")
    period = text.endswith(".")
    if period:
        text = text[:-1]
    if _ODD.search(text) and _ODDER.search(text):
        return None
    text = text.lower()
    if "," in text:
        if _COMMA_JOINS.search(text):
            return None
        plain = text.replace(",", " ").split()
    else:
        plain = text.split()
    if not SPLIT_WORDS.isdisjoint(plain):
        return None
    if period and plain and text[-1:] not in " ,":
        last = plain[-1]
        if len(last) == 1 or last in _KEEPS_PERIOD:
            return None
    return plain


def ptb_tokenize_many(captions: Sequence[str]) -> list[list[str]]:
    """Tokenize captions as the lines of one file, as pycocoevalcap does: one list for each.

    Each caption sees the line after it (see `ptb_tokenize`), so the result equals the original's
    for the same captions in the same order.
    """
    result = []
    for index, caption in enumerate(captions):
        words = _plain_words(caption)
        if words is None:
            words = _by_rules(caption, _following(captions, index + 1))
        result.append(words)
    return result


def _following(captions: Sequence[str], start: int) -> str:
    """Return the first caption from `start` on that is not blank, after one line end for each."""
    # Bounded, since a run of blank captions would otherwise be read once for each of them.
    for index in range(start, min(start + _FOLLOWING // 2, len(captions))):
        text = captions[index][:_FOLLOWING]
        if text and not text.isspace():
            return "\n" * (index - start) + (text.lstrip() if index > start else text)
    return ""


def _by_rules(caption: str, following: str) -> list[str]:
    line = _LONE_SURROGATE.sub(" ", caption.translate(_SPACED))
    tokens = _tokens(line, following)
    if tokens:  # pycocoevalcap strips the tokenizer's line, so also what ends the last token
        tokens[-1] = tokens[-1].rstrip()
    return [token for token in tokens if token and token not in _REMOVED]


def _tokens(caption: str, following: str) -> list[str]:
    end = len(caption)
    tail = following[:_FOLLOWING].translate(_SPACED)
    shadow = shadow_of(f"{caption}\n{tail}\n")
    last_close = shadow.rfind(">", 0, end)
    has_host = _HOST_NAME.search(shadow) is not None
    tokens: list[str] = []
    position = 0
    while position < end:
        first = shadow[position]
        if first in _BLANK:
            position += 1
            continue
        plain = _NEXT_WORDS.match(caption, position)
        if plain:
            words = plain[0].lower().split()
            if SPLIT_WORDS.isdisjoint(words):
                tokens += words
                position = plain.end()
                continue
        kind, stop = _longest(shadow, position, end, last_close, has_host)
        tokens += _spell(kind, caption[position:stop])
        position = stop
    return tokens


def _longest(
    shadow: str, position: int, end: int, last_close: int, has_host: bool
) -> tuple[Kind | None, int]:
    """Return the kind and the end of the token at `position`: one character if no rule matches."""
    best, kind, stop = 0, None, position + 1
    for rule in RULES.get(shadow[position], ()):
        if rule.kind is Kind.MARKUP and last_close < position:
            continue
        if rule.kind is Kind.HOST and not has_host:
            continue
        match = rule.match.match(shadow, position)
        if match is None:
            continue
        token_end = match.end()
        reach = max(token_end, match.end(1)) if rule.behind else token_end
        if reach > best and token_end <= end:
            best, kind, stop = reach, rule.kind, token_end
    return kind, stop


def _spell(kind: Kind | None, text: str) -> list[str]:
    """Return the tokens for a matched text."""
    if kind is Kind.NOTHING:
        return []
    if kind is Kind.QUOTES:
        return [text.translate(_PLAIN_QUOTES)]
    if len(text) == 1:
        return [_SINGLE.get(text, text.lower())]
    if kind is Kind.SPLIT:
        text = text.lower()
        return [text[:3], text[3:]]
    if kind is Kind.ENTITY:
        return [_ENTITIES.get(text.lower(), "")]
    if kind is Kind.CONTRACTION:
        text = text.replace("&apos;", "'").translate(_PLAIN_QUOTES)
    elif kind is Kind.JOINED:
        text = text.lower().replace("&amp;", "&")
    elif kind is Kind.BRACKETED:
        text = text.translate(_ROUND)
    elif kind is Kind.WORD and "@" not in text and "#" not in text:
        text = text.replace(SOFT_HYPHEN, "")
    # White space inside a token ("2 1/2") is a no-break space in the original's output.
    return [_WHITE.sub("\xa0", text.lower())]

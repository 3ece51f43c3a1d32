"""Porter's suffix stripper with the extensions that NLTK switches on by default.

Source: M. F. Porter, "An algorithm for suffix stripping", Program 14.3 (1980), 130-137. The
extensions are those of NLTK 3's `PorterStemmer` in its mode `NLTK_EXTENSIONS`, whose stems this
module reproduces: irregular words, `dies` → `die`, `y` → `i` only after a consonant, `fulli`,
`bli`, `logi`, and short stems that keep their `e`.
"""

from __future__ import annotations

import functools

_IRREGULAR = {
    **dict.fromkeys(("sky", "skies"), "sky"),
    **{"dying": "die", "lying": "lie", "tying": "tie", "news": "news", "howe": "howe"},
    **dict.fromkeys(("inning", "innings"), "inning"),
    **dict.fromkeys(("outing", "outings"), "outing"),
    **dict.fromkeys(("canning", "cannings"), "canning"),
    **{"proceed": "proceed", "exceed": "exceed", "succeed": "succeed"},
}


def _rules(text: str) -> tuple[tuple[str, str], ...]:
    """Read `suffix>replacement` pairs."""
    pairs = (rule.partition(">") for rule in text.split())
    return tuple((suffix, replacement) for suffix, _, replacement in pairs)


_STEP_2 = _rules(
    "ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e "
    "ousli>ous ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous "
    "aliti>al iviti>ive biliti>ble fulli>ful"
)
_STEP_3 = _rules("icate>ic ative> alize>al iciti>ic ical>ic ful> ness>")
_STEP_4 = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion"),
    *("ou", "ism", "ate", "iti", "ous", "ive", "ize"),
)


@functools.lru_cache(maxsize=1 << 16)
def porter_stem(text: str) -> str:
    """Lower-case a text and strip the suffixes at its end.

    A text of several words is taken as one: only its end changes, and everything that is no
    vowel, spaces too, counts as a consonant.
    """
    stem = text.lower()
    if stem in _IRREGULAR:
        return _IRREGULAR[stem]
    if len(text) <= 2:
        return stem
    stem = _final_y(_past_or_gerund(_plural(stem)))
    stem = _replace_one(_double_suffix(stem), _STEP_3)
    return _final_ll(_final_e(_single_suffix(stem)))


def _shape(text: str) -> str:
    """Write a text as consonants (c) and vowels (v); y is a vowel after a consonant."""
    kinds: list[str] = []
    for letter in text:
        after_consonant = bool(kinds) and kinds[-1] == "c"
        vowel = letter in "aeiou" or (letter == "y" and after_consonant)
        kinds.append("v" if vowel else "c")
    return "".join(kinds)


def _measure(stem: str) -> int:
    """Porter's m: how often a consonant follows a vowel."""
    return _shape(stem).count("vc")


def _is_short(stem: str) -> bool:
    """Porter's *o, and a stem that is one vowel and one consonant."""
    shape = _shape(stem)
    return shape == "vc" or (shape.endswith("cvc") and stem[-1] not in "wxy")


def _plural(word: str) -> str:
    if word.endswith("ies"):
        return word[: -1 if len(word) == 4 else -2]
    if word.endswith("sses"):
        return word[:-2]
    return word if word.endswith("ss") else word.removesuffix("s")


def _past_or_gerund(word: str) -> str:
    if word.endswith("ied"):
        return word[: -1 if len(word) == 4 else -2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    ending = next((e for e in ("ed", "ing") if word.endswith(e)), "")
    stem = word.removesuffix(ending)
    if not ending or "v" not in _shape(stem):
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if stem[-1:] == stem[-2:-1] and _shape(stem)[-1] == "c":
        return stem if stem[-1] in "lsz" else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _is_short(stem) else stem


def _final_y(word: str) -> str:
    stem = word[:-1]
    if word.endswith("y") and len(stem) > 1 and _shape(stem)[-1] == "c":
        return stem + "i"
    return word


def _replace_one(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Apply the first rule whose suffix fits, if what is left has a positive measure."""
    for suffix, replacement in rules:
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            return stem + replacement if _measure(stem) > 0 else word
    return word


def _double_suffix(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        word = word[:-2]
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    return _replace_one(word, _STEP_2)


def _single_suffix(word: str) -> str:
    suffix = next((s for s in _STEP_4 if word.endswith(s)), "")
    stem = word.removesuffix(suffix)
    if _measure(stem) <= 1 or (suffix == "ion" and stem[-1] not in "st"):
        return word
    return stem


def _final_e(word: str) -> str:
    stem = word.removesuffix("e")
    if stem == word:
        return word
    measure = _measure(stem)
    return stem if measure > 1 or (measure == 1 and not _is_short(stem)) else word


def _final_ll(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word

"""Answer normalisation of the VQA evaluators, each with its own behaviour, errors included.

Sources, by observed behaviour: GT-Vision-Lab/VQA at a013f00 (2021) and b7d71bb (2017, the same as
EvalAI's), the VizWiz API, and lmms-eval at 75571cf. What is odd here is odd there:

- a mark goes away or becomes a space depending on the original text as a whole;
- of all periods that no digit follows, only the first 32 go (a flag was passed as a count);
- "none" is 0 anywhere, and "a", "the" alone become the empty answer;
- contractions with a capital ("Im") never match, for the text is lower-cased before.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .porter import porter_stem

PairRule: TypeAlias = Callable[[str, Sequence[str]], tuple[str, list[str]]]

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_ANY_MARK = re.compile(f"[{re.escape(_MARKS)}]")
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_PERIODS_REMOVED = 32
_CACHED = 1 << 16

_ARTICLES = frozenset(("a", "an", "the"))
_NUMBERS = {
    **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"},
    **{"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}
_CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've
might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
someone's something'd something'd've something'll that's there'd there'd've there're there's they'd
they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've
when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _without_one(word: str) -> list[str]:
    """Leave out each apostrophe in turn: the misspellings that the tables list."""
    return [word[:i] + word[i + 1 :] for i, letter in enumerate(word) if letter == "'"]


_CONTRACTIONS = {key: word for word in _CONTRACTED.split() for key in _without_one(word)}
_CONTRACTIONS["somebody'd"] = "somebodyd"  # the wrong way round in the original
# The VizWiz table was written with another apostrophe, in most of its values and in all keys that
# hold one but two; those keys never match.
_VIZWIZ_ASCII = frozenset(
    ("ain't", "aren't", "can't", "could've", "couldn't", "we've", "where's", "who've")
)
_VIZWIZ_CONTRACTIONS = {
    key: word if word in _VIZWIZ_ASCII else word.replace("'", "`")
    for key, word in _CONTRACTIONS.items()
    if "'" not in key or key in {"couldn'tve", "hadn'tve"}
}


def strip_punctuation(text: str) -> str:
    """Remove or blank out the marks of a text, and remove periods that no digit follows."""
    marks = set(_ANY_MARK.findall(text))
    stripped = text
    if marks:
        all_go = _DIGIT_COMMA.search(text) is not None
        for mark in marks:
            goes = all_go or mark + " " in text or " " + mark in text
            stripped = stripped.replace(mark, "" if goes else " ")
    return _PERIOD.sub("", stripped, count=_PERIODS_REMOVED) if "." in stripped else stripped


def normalize_words(text: str, vizwiz: bool = False) -> str:
    """Lower-case, turn number words into digits, drop articles, write contractions out."""
    contractions = _VIZWIZ_CONTRACTIONS if vizwiz else _CONTRACTIONS
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(contractions.get(word, word) for word in words if word not in _ARTICLES)


def tidy(text: str) -> str:
    """Turn line feeds and tabs into spaces, and strip the ends."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@functools.lru_cache(maxsize=_CACHED)
def official_form(text: str) -> str:
    """Normalise a text as GT-Vision-Lab's evaluator does when it normalises."""
    return normalize_words(strip_punctuation(tidy(text)))


@functools.lru_cache(maxsize=_CACHED)
def vizwiz_form(text: str) -> str:
    """Normalise a prediction as the VizWiz API does."""
    return normalize_words(strip_punctuation(tidy(text)), vizwiz=True)


@functools.lru_cache(maxsize=_CACHED)
def lmms_eval_form(text: str) -> str:
    """Normalise a text as lmms-eval's (and LLaVA's, and mmf's) answer processor does."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalize_words(strip_punctuation(tidy(text)))


@functools.lru_cache(maxsize=_CACHED)
def _punctuation_form(text: str) -> str:
    return strip_punctuation(text)


def _stemmed_form(text: str) -> str:
    return porter_stem(_punctuation_form(text))


def _gt_vision_lab_2021(prediction: str, answers: Sequence[str]) -> tuple[str, list[str]]:
    tidied = [tidy(answer) for answer in answers]
    if len(set(tidied)) == 1:
        return tidy(prediction), tidied  # unanimous: nothing is normalised, prediction included
    return official_form(prediction), [official_form(answer) for answer in tidied]


def _gt_vision_lab_2017(prediction: str, answers: Sequence[str]) -> tuple[str, list[str]]:
    if len(set(answers)) == 1:
        return official_form(prediction), list(answers)
    return official_form(prediction), [_punctuation_form(answer) for answer in answers]


def _emu_ok_vqa(prediction: str, answers: Sequence[str]) -> tuple[str, list[str]]:
    given = normalize_words(_stemmed_form(tidy(prediction)))
    if len(set(answers)) == 1:
        return given, list(answers)
    return given, [_stemmed_form(answer) for answer in answers]


def _vizwiz(prediction: str, answers: Sequence[str]) -> tuple[str, list[str]]:
    return vizwiz_form(prediction), list(answers)


def _lmms_eval(prediction: str, answers: Sequence[str]) -> tuple[str, list[str]]:
    return lmms_eval_form(prediction), [lmms_eval_form(answer) for answer in answers]


DEFAULT_VARIANT = "gt-vision-lab-2021"
PAIR_RULES: dict[tuple[str, str], PairRule] = {
    (DEFAULT_VARIANT, "none"): _gt_vision_lab_2021,
    ("gt-vision-lab-2017", "none"): _gt_vision_lab_2017,
    ("gt-vision-lab-2017", "emu-porter"): _emu_ok_vqa,
    ("vizwiz", "none"): _vizwiz,
    ("lmms-eval", "none"): _lmms_eval,
}
"""How a prediction and the human answers are made comparable, by (variant, answer rule)."""
VARIANTS = tuple(dict.fromkeys(variant for variant, _ in PAIR_RULES))
ANSWER_RULES = tuple(dict.fromkeys(rule for _, rule in PAIR_RULES))

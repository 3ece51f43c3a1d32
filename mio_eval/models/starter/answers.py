"""Answers to questions by a classifier with priors: a weak system, and an open one.

What is asked is read from the prompt's text alone; what is known is a classifier's probabilities,
the colour of the middle of the picture and the words that were heard. Everything else is a prior,
and these are all of them:

- options ("A. …" on lines of their own): the option that shares most words with the five best
  labels, the words heard and the answer that would be given without options; without picture and
  sound, with the question. Of equals the first, so that knowing nothing gives A;
- a question that can be answered by yes or no: "yes";
- "is it X or Y?", "which …, X or Y?": the one that was seen, else X;
- "how many": "2";
- "what color": the colour of the middle of the picture, really computed;
- any other question: the noun of the best label ("owl" for "great grey owl"), or the kind of
  animal that several labels share; "unanswerable", where the prompt offers that word, when the
  best label has less than a tenth of the probability.

"yes" and "2" are the commonest answers of their kind that the makers of VQA themselves report
(Goyal et al., 2017, https://arxiv.org/abs/1612.00837); the rest was written from what such
questions mean. No question, answer or picture of a data set was looked at, and nothing is tuned.
A benchmark where these answers do well asks little of a model's eyes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .captioner import CERTAIN, VAGUE, _kinds, spoken

COUNT = "2"
YES = "yes"
UNANSWERABLE = "unanswerable"
BEST = 5  # labels that count for options
LONGEST = 2_000  # characters of a question that are read for its kind

_OPTION = re.compile(r"\(?([A-Z])[.):]\s*(.*)")
_INSTRUCTION = re.compile(
    r"\s*(?:please\s+)?(?:answer|respond|choose|select|pick)\b"
    r"|\s*when the provided information is insufficient\b",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"\bquestion:", re.IGNORECASE)
_ANSWER_CUE = re.compile(r"\banswer:\s*$", re.IGNORECASE)
_DESCRIBE = re.compile(
    r"\bdescribe (?:this|the) (?:image|picture|photo|video)\b|\bcaption\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.?!])\s*")
_AUXILIARY = (
    "is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must|"
    "isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|can't|couldn't|won't|wouldn't"
)
_YES_NO = re.compile(rf"(?:^|,)\s*(?:{_AUXILIARY})\b(?!')")
# "can you tell me what this is?" asks for more than yes
_TELL = re.compile(r"\byou\b.*\b(?:what|which|who|whose|where|when|why|how)\b")
_WHICH = re.compile(r"(?:^|,)\s*(?:which|who)\b")
_EITHER = re.compile(r"([\w'-]+),?\s+or\s+(?:(?:a|an|the|is it|are they)\s+)*([\w'-]+)")
_HOW_MANY = re.compile(r"\bhow many\b|\bnumber of\b")
_COLOUR = re.compile(r"\b(?:what|what's|which)\b[^.?!]*\bcolou?rs?\b")
_WORD = re.compile(r"[a-z0-9]+")
_STOP_WORDS = """
    a an and are as at be been being by can could did do does for from had has have he her hers
    him his how i if in into is it its may might must my no nor not of on or our ours she should
    so some such than that the their theirs them then there these they this those to was we were
    what when where which who whom whose why will with would you your yours
"""
_STOP = frozenset(_STOP_WORDS.split())
_NUMBER_WORDS = {COUNT: "two"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a prompt asks.

    Args:
        question: without options and instructions; empty when nothing is asked.
        options: texts of the options A, B, C …, in order.
        may_decline: the prompt offers the answer "unanswerable".
    """

    question: str = ""
    options: tuple[str, ...] = ()
    may_decline: bool = False

    @property
    def asks(self) -> bool:
        """Tell whether there is anything to answer; else a picture is to be described."""
        return bool(self.question or self.options)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a picture and a sound.

    Args:
        names: what the classifier calls the picture, best first.
        noun: one word for it.
        belief: probability of the first name.
        colour: word for the colour of its middle.
        heard: words of the sound.
    """

    names: tuple[str, ...] = ()
    noun: str = ""
    belief: float = 0.0
    colour: str = ""
    heard: str = ""


def read_prompt(text: str) -> Prompt:
    """Find the question and the options in a prompt.

    Options are two lines or more that begin with A, B, C … and a full stop, bracket or colon. A
    question is what is left without lines that tell how to answer, if it has a question mark, is
    announced by "Question:", or there are options or such lines. "Describe this image" is none.
    """
    options: list[str] = []
    rest: list[str] = []
    lines = text.splitlines()
    asked = [line for line in lines if not _INSTRUCTION.match(line)]
    for line in asked:
        match = _OPTION.fullmatch(line.strip())
        if match and ord(match[1]) == ord("A") + len(options):
            options.append(match[2])
        else:
            rest.append(line)
    if len(options) == 1:  # a sentence that begins with "A." is no list
        options, rest = [], asked
    told = len(asked) < len(lines)
    question = " ".join(" ".join(rest).split())
    if announced := _LABELLED.search(question):
        question, told = question[announced.end() :].strip(), True
    question = _ANSWER_CUE.sub("", question).strip()
    if not options and (_DESCRIBE.search(question) or not (told or "?" in question)):
        question = ""
    return Prompt(question, tuple(options), UNANSWERABLE in text.lower())


def look(
    probabilities: Sequence[float], labels: Sequence[str], colour: str = "", heard: str = ""
) -> Seen:
    """Put a classifier's probabilities into names and one noun.

    Classes with the same spoken name count as one. The noun is the last word of the best name; if
    that has less than half of all probability and a kind of animal that it belongs to has at
    least half, it is the kind, as in captions.

    Raises:
        ValueError: there are no labels, or another number of probabilities.
    """
    if len(probabilities) != len(labels) or not labels:
        raise ValueError(f"got {len(probabilities)} probabilities for {len(labels)} labels")
    believed: dict[str, float] = {}
    mass: dict[str, float] = {}
    kind_of: dict[str, str | None] = {}
    for value, label, kind in zip(probabilities, labels, _kinds(tuple(labels)), strict=True):
        name = spoken(label)
        believed[name] = believed.get(name, 0.0) + value
        kind_of.setdefault(name, kind)
        if kind is not None:
            mass[kind] = mass.get(kind, 0.0) + value
    names = sorted(believed, key=lambda name: -believed[name])[:BEST]
    best = names[0]
    subject, kind = best, kind_of[best]
    if kind is not None and believed[best] < CERTAIN <= mass[kind]:
        subject = kind
    noun = subject.split()[-1].lower()
    return Seen(tuple(names), noun, believed[best], colour, heard)


def answer(prompt: Prompt, seen: Seen) -> str:
    """Answer a question by the rules above; with options, by a letter.

    Raises:
        ValueError: nothing is asked, or an open question is asked about no picture.
    """
    if prompt.options:
        return choose(prompt, seen)
    if not prompt.question:
        raise ValueError("the prompt holds no question")
    if not seen.names:
        raise ValueError("an open question can be answered only about a picture or a video")
    return _open(prompt, seen)


def choose(prompt: Prompt, seen: Seen) -> str:
    """Return the letter of the option that shares most words with what is known."""
    if seen.names or seen.heard:
        known = words(" ".join((*seen.names, seen.heard)))
        if seen.names and prompt.question:
            said = _open(Prompt(prompt.question), seen)
            known |= words(said) | {_NUMBER_WORDS.get(said, said)}
    else:
        known = words(prompt.question)
    shared = [len(words(option) & known) for option in prompt.options]
    return chr(ord("A") + shared.index(max(shared)))


def _open(prompt: Prompt, seen: Seen) -> str:
    """Answer without options; the first rule that fits counts."""
    text = prompt.question[:LONGEST].lower().replace("’", "'")
    first = next((part for part in _SENTENCE_END.split(text) if part.endswith("?")), text)
    yes_no = bool(_YES_NO.search(first)) and not _TELL.search(first)
    if (yes_no or _WHICH.search(first)) and (either := _EITHER.search(first)):
        left, right = either.groups()
        if right not in {"not", "no"}:
            known = words(" ".join((*seen.names, seen.noun, seen.colour)))
            return right if words(right) & known and not words(left) & known else left
    if yes_no:
        return YES
    if _HOW_MANY.search(text):
        return COUNT
    if _COLOUR.search(text):
        return seen.colour
    if prompt.may_decline and seen.belief < VAGUE:
        return UNANSWERABLE
    return seen.noun


def words(text: str) -> set[str]:
    """Return the words of a text that carry meaning: lower case, plurals without their s."""
    found = set(_WORD.findall(text.lower())) - _STOP
    return {w[:-1] if len(w) > 3 and w[-1] == "s" and w[-2] != "s" else w for w in found}

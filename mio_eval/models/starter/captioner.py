"""A classifier's probabilities put into words: a weak captioner, but a real one.

The sentence names what an ImageNet classifier believes it sees, and no more: no action, no
colour, no count, no place, and hardly a person (ImageNet has three classes for people). It shows
what a caption metric gives to a system that knows one object of the picture. The rules and
thresholds below were written from the class names alone, before any reference caption was seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

CERTAIN = 0.5  # one name is believed more than all the others together
RIVAL = 0.5  # the second name counts when it has at least this part of the first one's probability
VAGUE = 0.1  # below this, the first name is hardly more than a guess

# word -> the first and the last class name of its run in the order of ImageNet's classes
GROUPS: tuple[tuple[str, str, str], ...] = (
    ("fish", "tench", "stingray"),
    ("bird", "rooster", "great grey owl"),
    ("salamander", "fire salamander", "axolotl"),
    ("frog", "American bullfrog", "tailed frog"),
    ("turtle", "loggerhead sea turtle", "box turtle"),
    ("lizard", "banded gecko", "Komodo dragon"),
    ("crocodile", "Nile crocodile", "American alligator"),
    ("snake", "worm snake", "sidewinder rattlesnake"),
    ("spider", "yellow garden spider", "wolf spider"),
    ("bird", "black grouse", "black swan"),
    ("crab", "Dungeness crab", "red king crab"),
    ("lobster", "American lobster", "crayfish"),
    ("bird", "white stork", "albatross"),
    ("dog", "Chihuahua", "Mexican hairless dog (xoloitzcuintli)"),
    ("wolf", "grey wolf", "coyote"),
    ("fox", "red fox", "grey fox"),
    ("cat", "tabby cat", "Egyptian Mau"),
    ("wild cat", "cougar", "cheetah"),
    ("bear", "brown bear", "sloth bear"),
    ("insect", "tiger beetle", "gossamer-winged butterfly"),
    ("rabbit", "cottontail rabbit", "Angora rabbit"),
    ("monkey", "guenon", "common squirrel monkey"),
    ("elephant", "Asian elephant", "African bush elephant"),
    ("fish", "snoek fish", "pufferfish"),
    ("mushroom", "coral fungus", "bolete"),
)

# Plurals and names of stuff: no article.
BARE = frozenset(
    {
        "binoculars",
        "broccoli",
        "carbonara",
        "chain mail",
        "chocolate syrup",
        "clogs",
        "consomme",
        "corn",
        "dough",
        "eggnog",
        "face powder",
        "guacamole",
        "hair spray",
        "hay",
        "ice cream",
        "jeans",
        "lotion",
        "mashed potatoes",
        "meatloaf",
        "pajamas",
        "parallel bars",
        "perfume",
        "rapeseed",
        "red wine",
        "sunglasses",
        "sunscreen",
        "swim trunks",
        "tights",
        "toilet paper",
        "velvet fabric",
        "wool",
    }
)
_AN_SOUND = re.compile(r"[aeiou]|hour|honou?r|honest|heir", re.IGNORECASE)
_A_SOUND = re.compile(r"uni(?!n)|use|usu|uti|eu|ewe|one\b|once\b|ukulele", re.IGNORECASE)


@lru_cache(maxsize=1)
def imagenet_labels() -> tuple[str, ...]:
    """Return the 1000 ImageNet-1k class names in the order of the classifier's outputs.

    Two names occur twice (`missile`, `sunglasses`): ImageNet has two classes for each. Origin and
    licence of the list are in `DATA.md` beside it.
    """
    text = resources.files("mio_eval.models.starter").joinpath("imagenet_labels.txt")
    return tuple(text.read_text(encoding="utf-8").splitlines())


def verbalise(probabilities: Sequence[float], labels: Sequence[str]) -> str:
    """Return one sentence for the probabilities of one picture.

    Classes with the same spoken name count as one. With p the probability of the best name:

    - p >= 0.5: "a photo of a teapot";
    - else, when a kind of animal (or mushroom) that the best name belongs to has 0.5 or more over
      all its classes, that kind: "a photo of a cat";
    - else, when p < 0.1: "a photo of something like a maze";
    - else, when the second name has at least half of p, both ("a photo of a desk and a monitor"),
      or their kind when they share it;
    - else the best name alone.

    Args:
        probabilities: n numbers from 0 to 1 that sum to 1 (to within 0.001).
        labels: the n class names in the same order; groups are known for ImageNet's names only.
            Equal probabilities are taken in this order.

    Raises:
        ValueError: the lengths differ or are 0, or the numbers are not probabilities.
    """
    if len(probabilities) != len(labels) or not labels:
        message = f"got {len(probabilities)} probabilities for {len(labels)} labels"
        raise ValueError(message)
    numbers = [float(value) for value in probabilities]
    if (
        not all(-1e-6 <= value <= 1 + 1e-3 for value in numbers)
        or abs(math.fsum(numbers) - 1) > 1e-3
    ):
        raise ValueError("expected probabilities from 0 to 1 that sum to 1")
    kinds = _kinds(tuple(labels))
    believed: dict[str, float] = {}
    kind_of: dict[str, str | None] = {}
    mass: dict[str, float] = {}
    for value, label, kind in zip(numbers, labels, kinds, strict=True):
        name = spoken(label)
        believed[name] = believed.get(name, 0.0) + value
        kind_of.setdefault(name, kind)
        if kind is not None:
            mass[kind] = mass.get(kind, 0.0) + value
    ranked = sorted(believed, key=lambda name: -believed[name])
    return f"a photo of {_subject(ranked, believed, kind_of, mass)}"


def _subject(
    ranked: Sequence[str],
    believed: Mapping[str, float],
    kind_of: Mapping[str, str | None],
    mass: Mapping[str, float],
) -> str:
    """Choose the words after "a photo of" by the rules of `verbalise`."""
    first = ranked[0]
    p, kind = believed[first], kind_of[first]
    if p >= CERTAIN:
        return with_article(first)
    if kind is not None and mass[kind] >= CERTAIN:
        return with_article(kind)
    if p < VAGUE:
        return f"something like {with_article(first)}"
    if len(ranked) > 1 and believed[ranked[1]] >= RIVAL * p:
        if kind is not None and kind == kind_of[ranked[1]]:
            return with_article(kind)
        return f"{with_article(first)} and {with_article(ranked[1])}"
    return with_article(first)


def spoken(label: str) -> str:
    """Return a class name as one says it: no note in brackets, and the first of "a / b"."""
    return re.sub(r"\s*\([^)]*\)", "", label.split(" / ", maxsplit=1)[0]).strip()


def with_article(name: str) -> str:
    """Put "a" or "an" before a name, and nothing before plurals and names of stuff."""
    if name in BARE:
        return name
    vowel = _AN_SOUND.match(name) and not _A_SOUND.match(name)
    return f"{'an' if vowel else 'a'} {name}"


@lru_cache(maxsize=4)
def _kinds(labels: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return for each label the word of the group it lies in."""
    place = {label: index for index, label in reversed(list(enumerate(labels)))}
    kinds: list[str | None] = [None] * len(labels)
    for word, first, last in GROUPS:
        if first in place and last in place:
            for index in range(place[first], place[last] + 1):
                kinds[index] = word
    return tuple(kinds)

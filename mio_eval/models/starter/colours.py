"""The colour of a picture as one of the eleven basic colour words of English.

The words are Berlin and Kay's (1969). The limits between them, on hue, saturation and value, were
set by hand from the meaning of the words; no picture and no answer of a data set was looked at.
"""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import PIL.Image

Colour: TypeAlias = tuple[int, int, int]  # red, green, blue from 0 to 255

GRID = 16  # means over GRID x GRID cells of the middle of the picture
MIDDLE = 0.5  # of the width and of the height
NAMES = (
    "black",
    "white",
    "gray",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
)


def mean_colours(image: PIL.Image.Image) -> list[Colour]:
    """Return the mean colours of 16 x 16 cells that cover the middle of a picture.

    The middle is half its width and half its height: a question is mostly about what is there.
    """
    from PIL import Image

    width, height = image.size
    edge = (1 - MIDDLE) / 2
    box = (width * edge, height * edge, width * (1 - edge), height * (1 - edge))
    small = image.convert("RGB").resize((GRID, GRID), Image.Resampling.BOX, box=box)
    data = small.tobytes()
    return [(data[i], data[i + 1], data[i + 2]) for i in range(0, len(data), 3)]


def dominant(colours: Sequence[Colour]) -> str:
    """Return the name that most of the colours bear; of equals, the first in `NAMES`.

    Raises:
        ValueError: there is no colour.
    """
    if not colours:
        raise ValueError("there is no colour to name")
    counts = Counter(map(name, colours))
    return max(NAMES, key=lambda word: counts[word])


def name(colour: Colour) -> str:
    """Return the word for one colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.8 else "gray"
    return _by_hue(hue * 360, saturation, value)


def _by_hue(hue: float, saturation: float, value: float) -> str:
    """Name a colour that is neither black nor white nor gray; `hue` is in degrees."""
    if hue < 15 or hue >= 345:
        return "pink" if saturation < 0.5 and value > 0.7 else "red"
    if hue < 45:
        return "orange" if saturation > 0.6 and value > 0.7 else "brown"
    for limit, word in ((70, "yellow" if value > 0.6 else "green"), (165, "green"), (255, "blue")):
        if hue < limit:
            return word
    return "purple" if hue < 290 or value < 0.5 else "pink"

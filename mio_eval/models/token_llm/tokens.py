"""Media in text: how codes are written as tokens, and read back out of what a model wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


class BadImageError(ValueError):
    """The model's output holds no whole image."""


class BadSpeechError(ValueError):
    """The model's output holds no whole speech."""


@dataclass(frozen=True, slots=True)
class Medium:
    """How one kind of medium stands in text: a start marker, a token for each code, an end marker.

    Args:
        sign: what a token says before the code: `img` for `<img7>`.
        start, end: the markers.
        error: what is raised where a text holds no whole medium.
    """

    sign: str
    start: str
    end: str
    error: type[ValueError]

    def token(self, code: int) -> str:
        """Return the token of a code."""
        return f"<{self.sign}{code}>"

    @property
    def needed(self) -> tuple[str, str, str]:
        """Tokens by which a tokenizer is known to have this medium."""
        return self.start, self.end, self.token(0)

    def write(self, codes: Iterable[int]) -> str:
        """Write codes as tokens between the markers."""
        return self.start + "".join(self.token(code) for code in codes) + self.end

    def read(self, text: str) -> list[int]:
        """Return the codes between the first start marker and the end marker after it.

        Raises `error`, which says what is wrong and how many tokens there were.
        """
        at = text.find(self.start)
        if at < 0:
            count = len(self._codes(text))
            raise self.error(f"no {self.start} in the output ({count} tokens of its kind)")
        stop = text.find(self.end, at)
        if stop < 0:
            count = len(self._codes(text[at:]))
            raise self.error(
                f"no {self.end} after {self.start}: "
                f"the output ended after {count} tokens of its kind"
            )
        body = text[at + len(self.start) : stop]
        if rest := re.sub(self._pattern, "", body).strip():
            shown = " ".join(rest.split())[:40]
            raise self.error(f"between the tokens there is other text: {shown!r}")
        return [int(code) for code in self._codes(body)]

    @property
    def _pattern(self) -> str:
        return rf"<{re.escape(self.sign)}(\d+)>"

    def _codes(self, text: str) -> list[str]:
        return re.findall(self._pattern, text)


def read_image(medium: Medium, text: str, count: int, codes: int) -> list[int]:
    """Return the codes of the first image in `text`.

    Args:
        medium: how an image stands in text.
        text: what the model wrote.
        count: tokens an image must have.
        codes: entries of the codebook.

    Raises the medium's error, which says what is wrong and how many tokens there were.
    """
    found = medium.read(text)
    if len(found) != count:
        raise medium.error(f"the image has {len(found)} tokens, expected {count}")
    if high := [code for code in found if code >= codes]:
        raise medium.error(f"{medium.token(high[0])} is not one of the {codes} image tokens")
    return found

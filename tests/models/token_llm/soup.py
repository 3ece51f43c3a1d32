"""What a model may write in place of a medium, and what reading an image out of it may give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from hypothesis import strategies as st

from mio_eval.models.token_llm.tokens import BadImageError, Medium, read_image

CODES = 8192
IMAGES = st.lists(st.integers(0, CODES - 1), min_size=32, max_size=32)


def levels(codes: int) -> st.SearchStrategy[list[list[int]]]:
    """Four levels of equal length, of codes below `codes`."""
    one = st.integers(0, codes - 1)
    return st.integers(1, 20).flatmap(
        lambda n: st.lists(st.lists(one, min_size=n, max_size=n), min_size=4, max_size=4)
    )


def soup(markers: Sequence[str], highest: Mapping[str, int]) -> st.SearchStrategy[str]:
    """Text of markers, tokens and scraps in any order. `highest`: sign → highest code."""
    tokens = [
        st.integers(0, top).map(lambda n, s=sign: f"<{s}{n}>") for sign, top in highest.items()
    ]
    pieces = st.one_of(st.sampled_from(markers), *tokens, st.text(max_size=3))
    return st.lists(pieces, max_size=60).map("".join)


def check_image(medium: Medium, text: str) -> None:
    """An image is whole, or BadImageError says why not; any other exception fails the test."""
    with suppress(BadImageError):
        codes = read_image(medium, text, 32, CODES)
        assert len(codes) == 32
        assert all(0 <= code < CODES for code in codes)

"""Codes of images to tokens and back, in both systems' tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from models.token_llm.soup import CODES, IMAGES

from mio_eval.models.anygpt import tokens as anygpt
from mio_eval.models.mio import tokens as mio
from mio_eval.models.token_llm.tokens import Medium, read_image


@pytest.mark.parametrize(
    ("medium", "token"), [(mio.IMAGE, "<img"), (anygpt.IMAGE, "<👀")], ids=["mio", "anygpt"]
)
@given(codes=IMAGES)
def test_an_image_comes_back(medium: Medium, token: str, codes: list[int]) -> None:
    text = medium.write(codes)
    assert text.count(token) == 32
    assert read_image(medium, text, 32, CODES) == codes
    assert read_image(medium, f"Here it is: {text} and more {text}", 32, CODES) == codes
    # The releases' readers take white space between tokens too.
    assert read_image(medium, text.replace("><", "> <"), 32, CODES) == codes

"""Exact match of generated answers, and Emu's rule that shortens them."""

from __future__ import annotations

import pytest
from golden_files import read_golden
from hypothesis import given
from hypothesis import strategies as st

from mio_eval import __version__
from mio_eval.errors import UsageError
from mio_eval.metrics.base import Item
from mio_eval.metrics.vqa_exact import VqaExact, emu_short_answer, plain_answer

SHORT = read_golden("vqa/emu_okvqa_golden.json.gz")["short_answer"]


@pytest.mark.parametrize("text", SHORT, ids=ascii)
def test_emu_short_answer(text):
    assert emu_short_answer(text) == SHORT[text]


def test_metric():
    items = [
        Item("0", " Cook\n", ("cook",)),
        Item("1", "It is a man.", ("man",)),
        Item("2", "two", ("2", "Two ")),
        Item("3", "", ("man",)),
    ]
    plain, emu = VqaExact(), VqaExact(short="emu")
    assert plain.statistics(items).values[:, 0].tolist() == [1, 0, 1, 0]
    # Emu's rule cuts at the line feed before it strips.
    assert emu.statistics(items).values[:, 0].tolist() == [1, 1, 1, 0]
    assert emu.statistics(items).details[1] == {"answer": "man"}
    assert emu.score(emu.statistics(items).values.sum(axis=0)) == 75.0
    assert plain.signature(4) == f"vqa_exact|short:none-1|n:4|v:{__version__}"
    assert emu.signature(4) == f"vqa_exact|short:emu-1|n:4|v:{__version__}"
    assert plain.statistics([]).values.shape == (0, 2)


def test_refusals():
    with pytest.raises(UsageError, match="unknown short"):
        VqaExact(short="gpt")
    with pytest.raises(ValueError, match="sample 7 has no references"):
        VqaExact().statistics([Item("7", "a", ())])


@given(st.text(max_size=40))
def test_hostile_text(text):
    assert len(emu_short_answer(text)) <= len(text.lower())
    for short in ("none", "emu"):
        metric = VqaExact(short=short)
        values = metric.statistics([Item("0", text, (text,)), Item("1", text, ("x",))]).values
        assert set(values[:, 0]) <= {0.0, 1.0}
    assert VqaExact().statistics([Item("0", text, (plain_answer(text),))]).values[0, 0] == 1.0

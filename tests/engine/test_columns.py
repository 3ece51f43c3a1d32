"""Columns of strings, and the fingerprint of the data, behave as the lists they stand for."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from mio_eval.engine.columns import Fingerprint, Strings

# Surrogates, NUL bytes, the ends of planes, long strings: what sorting could get wrong.
NAMES = st.one_of(
    st.text(alphabet=st.characters(), max_size=5),
    st.sampled_from(["", "\0", "a\0", "a", "\ud800", "\uffff", "\U0001f600", "x" * 70, "x" * 64]),
)
CONTENTS = st.one_of(
    st.none(),
    st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest()),
    st.sampled_from(["", "ab", "AB" * 32, "zz" * 32, " " * 64]),
)


@given(st.lists(NAMES))
def test_strings_are_a_list(names: list[str]) -> None:
    column = Strings(names)
    assert list(column) == names
    assert column == names
    assert column == Strings(names)
    assert len(column) == len(names)
    wanted = sorted(range(len(names)), key=names.__getitem__)
    assert list(column.order()) == wanted


@given(st.dictionaries(NAMES, CONTENTS))
def test_a_fingerprint_is_the_hash_of_the_sorted_pairs(pairs: dict[str, str | None]) -> None:
    prints = Fingerprint()
    for pair in pairs.items():
        prints.append(pair)
    wanted = json.dumps([list(pair) for pair in sorted(pairs.items())], separators=(",", ":"))
    assert prints.digest() == hashlib.sha256(wanted.encode()).hexdigest()

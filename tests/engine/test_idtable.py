"""Tables of ids behave as the sets and dictionaries they stand for."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from mio_eval.engine.idtable import ContentTable, IdTable


@given(st.lists(st.text(max_size=4)))
def test_an_id_table_is_a_set_that_counts(names: list[str]) -> None:
    table, seen = IdTable(), dict[str, int]()
    for name in names:
        assert (name in table) == (name in seen)
        assert table.find(name) == seen.get(name, -1)
        assert table.add(name) == (name not in seen)
        seen.setdefault(name, len(seen))
    assert len(table) == len(seen)


def test_many_ids_stay_apart_in_little_memory() -> None:
    table = IdTable()
    for number in range(50_000):
        assert table.add(f"sample-{number}")
    assert len(table) == 50_000
    assert all(table.find(f"sample-{number}") == number for number in range(0, 50_000, 777))
    assert "sample-50000" not in table
    size = sum(map(sys.getsizeof, (table._first, table._second, table._slots)))
    assert size < 50 * 50_000


def test_a_content_table_knows_contents_and_what_was_asked_for() -> None:
    table = ContentTable()
    one, two = "0f" * 32, "0e" * 32
    assert table.put("a", one)
    assert not table.put("a", two)
    assert table.put("b", None)
    assert table.put("d", "z" * 64)
    assert len(table) == 3
    assert "a" in table
    assert "c" not in table
    assert table.same(table.find("a"), one)
    assert not table.same(table.find("a"), two)
    assert table.same(table.find("d"), "z" * 64)
    assert table.meet(table.find("a"))
    assert not table.meet(table.find("a"))
    assert table.meet(table.find("d"))
    assert not table.all_met
    assert not table.met("b")
    assert table.meet(table.find("b"))
    assert table.all_met

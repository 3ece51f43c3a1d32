"""Counts over a task's samples, whatever the order they come in."""

from __future__ import annotations

from mio_eval.engine.score import Tally


def test_the_range_of_references_does_not_depend_on_the_order() -> None:
    """It is in signatures, and the order of the journal is chance."""

    def counted(*counts: int) -> tuple[int, int]:
        tally = Tally()
        for count in counts:
            status = "ok" if count >= 0 else "failed"
            record = {"id": "x", "status": status, "references": ["a"] * count}
            tally.saw({**record, "error": {"stage": "data"}})
        return tally.references

    assert counted(-1, 0, 5, 5) == counted(5, 0, -1, 5) == counted(5, 5, 0, -1) == (5, 5)
    assert counted(4, 6) == counted(6, 4) == (4, 6)

"""Published results that stand beside ours, read from results/published/."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from ..shipped import shipped
from ..tasks.schema import Published


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published number."""

    model: str
    value: str
    """As printed: "12.0" stays "12.0"."""
    metric: str
    table: str
    split: str
    source: str
    confidence: str


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with (shipped("results/published") / "mio.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def published_rows(spec: Published, metric: str) -> list[PublishedRow]:
    """Return the published numbers for one metric of a task, in the table's order."""
    label = spec.metrics.get(metric)
    return [
        PublishedRow(
            model=f"{row['model']} ({row['model_size']})" if row["model_size"] else row["model"],
            value=row["value"],
            metric=label,
            table=row["table"],
            split=row["split"],
            source=f"{row['paper']}, {row['table']}",
            confidence=row["confidence"],
        )
        for row in _rows()
        if label is not None
        and row["table"] == f"Table {spec.table}"
        and row["dataset"] == spec.dataset
        and row["metric"] == label
        and (spec.split is None or row["split"] == spec.split)
    ]

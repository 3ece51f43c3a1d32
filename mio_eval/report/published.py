"""Published results that stand beside ours, read from results/published/."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from ..shipped import shipped
from ..tasks.schema import Published


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One model of a published table."""

    model: str
    values: tuple[str, ...]
    """One a column, as printed: "12.0" stays "12.0"; a dash where the table has none."""
    split: str
    remark: str
    """What a reader must know of the row, for example a suspected misprint."""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """The part of a published table that stands beside a task's scores."""

    source: str
    metrics: tuple[str, ...]
    """Our metrics, one a column."""
    columns: tuple[str, ...]
    """The table's names for them."""
    rows: tuple[PublishedRow, ...]


@cache
def _numbers() -> tuple[dict[str, str], ...]:
    with (shipped("results/published") / "mio.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def model_columns(table: str) -> dict[str, dict[str, str]]:
    """Return a table's columns that are about the models: column → model → yes or no."""
    found: dict[str, dict[str, str]] = {}
    path = shipped("results/published") / "mio_models.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["table"] == f"Table {table}":
                model = f"{row['model']} ({row['model_size']})"
                found.setdefault(row["column"], {})[model] = row["value"]
    return found


def published_table(spec: Published) -> PublishedTable:
    """Collect the published numbers a task names, by model in the table's order."""
    numbers = [
        row
        for row in _numbers()
        if row["table"] == f"Table {spec.table}"
        and row["dataset"] == spec.dataset
        and row["metric"] in spec.metrics.values()
        and (spec.split is None or row["split"] == spec.split)
    ]
    models: dict[str, list[dict[str, str]]] = {}
    for row in numbers:
        size = f" ({row['model_size']})" if row["model_size"] else ""
        models.setdefault(f"{row['model']}{size}", []).append(row)
    columns = tuple(spec.metrics.values())
    return PublishedTable(
        source=f"{numbers[0]['paper']}, {numbers[0]['table']}" if numbers else "",
        metrics=tuple(spec.metrics),
        columns=columns,
        rows=tuple(_row(model, cells, columns) for model, cells in models.items()),
    )


def _row(model: str, cells: list[dict[str, str]], columns: tuple[str, ...]) -> PublishedRow:
    values = {cell["metric"]: cell["value"] for cell in cells}
    remarks = {cell["confidence"].partition("; ")[2] for cell in cells} - {""}
    return PublishedRow(
        model=model,
        values=tuple(values.get(column, "–") for column in columns),
        split=cells[0]["split"],
        remark="; ".join(sorted(remarks)),
    )

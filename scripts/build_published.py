"""Builds results/published/ from the collected tables of published numbers.

Usage: python scripts/build_published.py published_mio.csv

The input has one row a number, transcribed from the paper with its source. This script checks it
(numbers, directions, duplicates) and writes it out in the same order.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

COLUMNS = (
    *("paper", "table", "model", "model_size", "task", "dataset", "split", "metric", "value"),
    *("higher_is_better", "source", "confidence"),
)
TARGET = Path(__file__).parents[1] / "results" / "published" / "mio.csv"


def main(source: Path) -> None:
    """Check the rows of `source` and write them to results/published/mio.csv."""
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            sys.exit(f"{source}: expected the columns {', '.join(COLUMNS)}")
        rows = list(reader)
    seen = set()
    for number, row in enumerate(rows, 2):
        float(row["value"])  # a cell that is no number must stop the build
        if row["higher_is_better"] not in ("true", "false", "n/a"):
            sys.exit(f"{source} line {number}: higher_is_better {row['higher_is_better']!r}")
        key = tuple(
            row[c] for c in ("table", "model", "model_size", "task", "dataset", "split", "metric")
        )
        if key in seen:
            sys.exit(f"{source} line {number}: the same cell twice: {key}")
        seen.add(key)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows to {TARGET.name}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

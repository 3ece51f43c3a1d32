"""Plain text for the terminal: counts, and aligned columns that other programs can read too."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a header and rows in columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 problem`, `3 problems`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""How numbers are written in comparisons and gates."""

from __future__ import annotations

_LEAST_P = 0.001


def number(value: float | None, unit: str, *, signed: bool = False) -> str:
    """Format as the tables of a run do: two decimals, four for unscaled values."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    return f"{value:{sign}.2f}" if unit else f"{value:{sign}.4f}"


def probability(p: float | None) -> str:
    """Format a p-value."""
    if p is None:
        return "–"
    return "<0.001" if p < _LEAST_P else f"{p:.3f}"

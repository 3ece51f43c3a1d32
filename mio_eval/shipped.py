"""Finds the files that ship with the package: task files and published results.

In a wheel they lie inside the package; in a checkout (or an editable install) at its top.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(relative: str) -> Path:
    """Return the folder of shipped files called `relative`, for example "tasks"."""
    inside = _PACKAGE / "_shipped" / relative
    return inside if inside.exists() else _PACKAGE.parent / relative


def sample_data() -> Path:
    """Return the folder of the bundled sample data."""
    return _PACKAGE / "sample_data"

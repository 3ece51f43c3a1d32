"""Plug-ins: entry points of installed packages, looked for once a process."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata


def entry_points(group: str, name: str | None = None) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group, all or those called `name`.

    Every installed package's metadata is read to find them, so what was found is kept for as long
    as the search path stays the same.
    """
    found = _found(group, tuple(sys.path))
    return found if name is None else tuple(entry for entry in found if entry.name == name)


@cache
def _found(group: str, _path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=group))

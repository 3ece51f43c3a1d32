"""Task files, read once a report: a table asks for them at every cell."""

from __future__ import annotations

from functools import cache

from ..tasks import Task, get_task


@cache
def task_of(name: str) -> Task:
    """Find a task as `get_task` does, remembering it until `forget`. Raises UsageError."""
    return get_task(name)


def forget() -> None:
    """Read task files anew from here on; called where a report begins."""
    task_of.cache_clear()

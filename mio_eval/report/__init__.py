"""Reports: tables, HTML pages and leaderboards; published results beside ours."""

from __future__ import annotations

from pathlib import Path

from ..types import Json


def write_report(path: Path, data: Json) -> Path:
    """Write report.md and report.html into a run directory; return the former's path."""
    from .html import write_run_report
    from .markdown import write_report as write_markdown

    target = write_markdown(path, data)
    write_run_report(path, data)
    return target


__all__ = ["write_report"]

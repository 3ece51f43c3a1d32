"""Reports: tables for terminal and Markdown, published results beside ours."""

from .markdown import write_report

__all__ = ["write_report"]

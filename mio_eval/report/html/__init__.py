"""HTML reports: one file or one folder to look at every sample of one or more runs, offline."""

from .write import write_html, write_run_report

__all__ = ["write_html", "write_run_report"]

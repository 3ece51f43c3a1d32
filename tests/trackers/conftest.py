"""Runs to log."""

from export.conftest import module_runs, pictures, speech

__all__ = ["module_runs", "pictures", "speech"]

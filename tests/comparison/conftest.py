"""Runs to compare."""

from runs_fixture import runs

__all__ = ["runs"]

"""Runs to compare imported results with."""

from export.conftest import module_runs, speech, whole

__all__ = ["module_runs", "speech", "whole"]

"""The `runs` fixture, for the conftest files of the folders that need it."""

from __future__ import annotations

import pytest
from prediction_runs import Runs


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Make runs of predictions."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no Java: METEOR is slow, and tested elsewhere
    monkeypatch.delenv("MIO_EVAL_TASKS", raising=False)
    return Runs(tmp_path)

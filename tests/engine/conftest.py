"""The world that tests of the engine run in."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine.worlds import World, make_world


@pytest.fixture
def world(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Small data sets and tasks, and an empty folder of runs."""
    return make_world(tmp_path, data_dir, monkeypatch)

"""The data folder of the task that a test is parametrised with."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.trees import TREES


@pytest.fixture
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The data folder of the task that the test is parametrised with."""
    task = request.getfixturevalue("task")
    if task in ("msvd_qa", "msrvtt_qa"):
        pytest.importorskip("av")
    if task == "mmlu":
        pytest.importorskip("lm_eval")
    if task in ("globe_tts", "mmlu"):
        pytest.importorskip("datasets")
    TREES[task][0](tmp_path)
    return tmp_path

"""Tiny checkpoints, each built once a test session and process."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def frozen() -> None:
    """Leave what importing made to itself: closing a model collects garbage, over and over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a tiny checkpoint by its name in `tiny.BUILDERS`."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from models.hf import tiny

    root = tmp_path_factory.mktemp("checkpoints")

    def build(name: str) -> Path:
        folder = root / name
        return folder if folder.exists() else tiny.BUILDERS[name](folder)

    return build


@pytest.fixture(scope="session")
def llama(checkpoint: Callable[[str], Path]) -> Path:
    """Return the folder of a tiny Llama, not to be written to."""
    import torch

    torch.set_num_threads(1)
    return checkpoint("llama")

"""The engine: plans a run, generates, annotates and scores; journal and response cache.

Names are looked up when they are first used: reading a run directory needs no machinery of runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .options import Options
    from .run import RunResult, evaluate, resume

__all__ = ["Options", "RunResult", "evaluate", "resume"]


def __getattr__(name: str) -> object:
    """Import a public name's module (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{'options' if name == 'Options' else 'run'}", __name__)
    return getattr(module, name)

"""mio-eval: scores any-to-any multimodal models with the MIO paper's tasks and protocol.

The public API is imported on first use, so that `import mio_eval` costs nothing:
`evaluate` and `Options` run tasks, `score` scores a run again, `load_run` opens one, `compare` and
`gate` judge runs; `tasks`, `models` and `metrics` are subpackages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import metrics, models, tasks
    from .comparison import compare
    from .comparison.results import CompareResult, Comparison
    from .engine import Options, RunResult, evaluate
    from .engine.rescore import rescore as score
    from .gating import gate
    from .gating.results import GateResult
    from .load import Run, load_run

__all__ = [
    "CompareResult",
    "Comparison",
    "GateResult",
    "Options",
    "Run",
    "RunResult",
    "__version__",
    "compare",
    "evaluate",
    "gate",
    "load_run",
    "metrics",
    "models",
    "score",
    "tasks",
]

# Name → module and attribute; a subpackage has no attribute.
_PUBLIC = {
    "CompareResult": ("comparison.results", "CompareResult"),
    "Comparison": ("comparison.results", "Comparison"),
    "GateResult": ("gating.results", "GateResult"),
    "Options": ("engine", "Options"),
    "Run": ("load", "Run"),
    "RunResult": ("engine", "RunResult"),
    "compare": ("comparison", "compare"),
    "evaluate": ("engine", "evaluate"),
    "gate": ("gating", "gate"),
    "load_run": ("load", "load_run"),
    "metrics": ("metrics", ""),
    "models": ("models", ""),
    "score": ("engine.rescore", "rescore"),
    "tasks": ("tasks", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    loaded = import_module(f".{module}", __name__)
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

"""The engine: plans a run, generates, annotates and scores; journal and response cache."""

from .plan import Options
from .run import RunResult, evaluate, resume

__all__ = ["Options", "RunResult", "evaluate", "resume"]

"""Chooses what answers requests: this process, or Ray."""

from __future__ import annotations

from ..models.base import Backend
from .batching import DEFAULT, BatchSize
from .execute import Engine, Executor
from .options import Options
from .progress import Progress


def make_engine(options: Options, backend: Backend, progress: Progress) -> Engine:
    """Build the engine a run asks for. Raises UsageError when it cannot be had."""
    if options.engine == "ray":
        from .ray_engine import RayEngine

        return RayEngine(options, backend, progress)
    return Executor(
        backend,
        options.timeout,
        progress.message,
        size=batch_size(options, backend, progress),
        threads=options.prefetch_threads,
        limit_bytes=options.prefetch_bytes,
    )


def batch_size(options: Options, backend: Backend, progress: Progress) -> BatchSize:
    """Return the batch size to start from: the user's, else the backend's wish."""

    def changed(size: int, why: str) -> None:
        progress.message(f"batch size {size}: {why}")
        progress.event("batch_size", size=size, why=why)

    if options.batch_size == "auto":
        return BatchSize(1, auto=True, changed=changed)
    return BatchSize(options.batch_size or backend.batch_size or DEFAULT, changed=changed)

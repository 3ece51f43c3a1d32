"""What the engine tells the outside while it works. The command line shows it; tests ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of a run."""

    def message(self, text: str) -> None:
        """Something worth a line (fetching weights, loading a model, resuming)."""

    def start(self, stage: str, task: str, total: int | None, done: int) -> None:
        """A stage of a task begins; `done` of `total` samples are finished already."""

    def advance(self, failed: bool = False, cached: bool = False) -> None:
        """One more sample is finished, or failed."""

    def finish(self) -> None:
        """The stage is over."""


class Silent:
    """Shows nothing."""

    def message(self, text: str) -> None: ...

    def start(self, stage: str, task: str, total: int | None, done: int) -> None: ...

    def advance(self, failed: bool = False, cached: bool = False) -> None: ...

    def finish(self) -> None: ...

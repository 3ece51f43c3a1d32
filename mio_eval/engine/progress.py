"""What the engine tells the outside while it works. The command line shows it; tests ignore it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..types import Json


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

    def event(self, name: str, /, **facts: Json) -> None:
        """Something for programs; a screen shows little of it (docs/engine.md lists them)."""


class Silent:
    """Shows nothing."""

    def message(self, text: str) -> None: ...

    def start(self, stage: str, task: str, total: int | None, done: int) -> None: ...

    def advance(self, failed: bool = False, cached: bool = False) -> None: ...

    def finish(self) -> None: ...

    def event(self, name: str, /, **facts: Json) -> None: ...


class Several:
    """Tells several receivers."""

    def __init__(self, receivers: Sequence[Progress]) -> None:
        self._receivers = receivers

    def message(self, text: str) -> None:
        for one in self._receivers:
            one.message(text)

    def start(self, stage: str, task: str, total: int | None, done: int) -> None:
        for one in self._receivers:
            one.start(stage, task, total, done)

    def advance(self, failed: bool = False, cached: bool = False) -> None:
        for one in self._receivers:
            one.advance(failed, cached)

    def finish(self) -> None:
        for one in self._receivers:
            one.finish()

    def event(self, name: str, /, **facts: Json) -> None:
        for one in self._receivers:
            one.event(name, **facts)

"""Reads run directories for reports: run.json, and what a damaged one leads to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..display import one_line
from ..engine.rundir import RunDirectory
from ..errors import UsageError
from ..types import Json


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory and the content of its run.json."""

    path: Path
    data: Json

    @property
    def id(self) -> str:
        """The name of the run directory."""
        return one_line(self.path.resolve().name)

    @property
    def model(self) -> str:
        """The model's name, on one line."""
        return one_line(self.data["model"]["name"])


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what a damaged run.json leads to into an error that says so."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: run.json is damaged ({type(error).__name__}: {error}); "
            "take it from a backup, or run again"
        ) from error


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read runs. Raises UsageError for what is no run directory, or is given twice."""
    runs: dict[Path, Run] = {}
    for path in paths:
        place = path.resolve()
        if place in runs:
            raise UsageError(f"{path} is given twice; give each run once")
        runs[place] = Run(path, RunDirectory(path).read())
    return list(runs.values())


def labels(runs: Sequence[Run]) -> list[str]:
    """Name runs by their model, adding the run's id where two have one name."""
    names = [run.model for run in runs]
    return [
        f"{name} ({run.id})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]

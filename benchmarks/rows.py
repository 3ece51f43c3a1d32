"""Rows of the benchmark table, and how measurements become one."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from measure import Measured


@dataclass(frozen=True)
class Row:
    """One line of the table: ours, the rival's, and what was aimed at."""

    what: str
    unit: str
    ours: float
    target: str
    rival: str = ""
    theirs: float | None = None
    ours_cpu: float | None = None
    theirs_cpu: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times more the rival needs."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def ratio_cpu(self) -> float | None:
        """The same in processor time, which other programs disturb less."""
        if self.theirs_cpu is None or self.ours_cpu is None:
            return None
        return self.theirs_cpu / self.ours_cpu


def median(runs: Sequence[Measured], key: str) -> float:
    """Return the median of one reported number."""
    return statistics.median(float(one.result[key]) for one in runs)


def peak(runs: Sequence[Measured]) -> float:
    """Return the median peak memory in MB."""
    return statistics.median(one.peak_mb for one in runs)


def alternate(
    ours: Callable[[], Measured], theirs: Callable[[], Measured], rounds: int
) -> tuple[list[Measured], list[Measured]]:
    """Run ours, theirs, ours, …, ours: theirs always lies between two of ours."""
    mine, rivals = [ours()], []
    for _ in range(rounds):
        rivals.append(theirs())
        mine.append(ours())
    return mine, rivals


def missing(package: str, what: str, unit: str, ours: float, target: str) -> Row:
    """Return a row without a rival, which says so."""
    return Row(what, unit, ours, target, note=f"{package} is not installed: nothing to compare")


def installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    return importlib.util.find_spec(package) is not None

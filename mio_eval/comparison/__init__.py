"""Compares runs with each other, with baseline files and with published rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import IncomparableError, UsageError, unknown
from ..load import load_run
from ..metrics import metric_class
from ..stats import CONFIDENCE, RESAMPLES, SEED, holm
from .baseline import is_baseline, read_baseline
from .differences import Difference, check_allowed, differences, explain, is_allowed
from .pairing import Result, Settings, changed_content, check_finished, compare_task
from .published import PREFIX, PublishedResult, compare_published, find_published
from .results import ChangedSample, CompareResult, Comparison

__all__ = [
    "ChangedSample",
    "CompareResult",
    "Comparison",
    "Result",
    "Settings",
    "comparable_rows",
    "compare",
    "compare_task",
    "open_result",
]

_MAX_TOP = 1000
_FEWEST_RESAMPLES = 100  # with fewer no p can be small


def compare(
    first: str | Path,
    *others: str | Path,
    tasks: Sequence[str] = (),
    metrics: Sequence[str] = (),
    allow_different: Sequence[str] = (),
    alpha: float = 1.0 - CONFIDENCE,
    top: int = 5,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> CompareResult:
    """Compare every other result with the first, task by task and metric by metric.

    Args:
        first, others: run directories, baseline files, or `published:NAME`.
        tasks, metrics: only these; all shared ones by default.
        allow_different: fields that may differ (`prompt_style`, `generation`, `signature.*.v`).
        alpha: level of the tests, and 1 - the confidence of the intervals.
        top: how many samples that became worse, and how many that became better, to list.

    Holm's correction is over the family of tests: the primary metric of every task and every other
    result, or, with `metrics`, every test asked for.

    Raises:
        UsageError: no such run, task, metric or field; nothing shared.
        IncomparableError: settings differ that `allow_different` does not name.
    """
    check_allowed(allow_different)
    if not others:
        raise UsageError("compare needs two results or more: run directories or published:NAME")
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha {alpha:g}: expected a number above 0 and below 1, such as 0.05")
    if not 0 <= top <= _MAX_TOP:
        raise UsageError(f"top {top}: expected 0 to {_MAX_TOP} samples")
    if resamples < _FEWEST_RESAMPLES:
        raise UsageError(f"resamples {resamples}: expected {_FEWEST_RESAMPLES} or more")
    settings = Settings(resamples, seed, 1.0 - alpha, alpha, top)
    results = _open_all([first, *others])
    labels = _labels([first, *others], results)
    for name in metrics:
        metric_class(name)  # refuses a name that no metric has
    rows: list[Comparison] = []
    allowed: list[tuple[str, Difference]] = []
    missing: list[str] = []
    for other, label in zip(results[1:], labels[1:], strict=True):
        chosen = _chosen_tasks(results[0], other, tasks, missing)
        unlike: list[Difference] = []
        found = _compare_two(
            results[0], other, chosen, metrics, allow_different, settings, unlike, missing
        )
        rows += [replace(row, first=labels[0], second=label) for row in found]
        allowed += [(label, item) for item in unlike]
    return CompareResult(
        first=labels[0],
        others=tuple(labels[1:]),
        rows=tuple(_judge(rows, alpha, every=bool(metrics))),
        alpha=alpha,
        confidence=settings.confidence,
        resamples=resamples,
        seed=seed,
        allowed=tuple(allow_different),
        differences=tuple(allowed),
        missing=tuple(dict.fromkeys(missing)),
    )


def open_result(path: str | Path | Result) -> Result:
    """Open a run directory or a baseline file; what is open already stays. Raises UsageError."""
    if not isinstance(path, str | Path):
        return path
    place = Path(path)
    return read_baseline(place) if is_baseline(place) else load_run(place)


def _open_all(given: Sequence[str | Path]) -> list[Result | PublishedResult]:
    runs = {
        number: open_result(path)
        for number, path in enumerate(given)
        if not str(path).startswith(PREFIX)
    }
    if not runs:
        raise UsageError("compare needs at least one run directory; published rows alone have none")
    if len(runs) < len(given) and len(given) - len(runs) > 1 and 0 not in runs:
        raise UsageError("two published rows cannot be compared: put a run first")
    names = sorted({task for run in runs.values() for task in run.data["results"]})
    return [
        runs[number] if number in runs else find_published(str(path).removeprefix(PREFIX), names)
        for number, path in enumerate(given)
    ]


def _labels(given: Sequence[str | Path], results: Sequence[Result | PublishedResult]) -> list[str]:
    """Name results so that no two others have one name: by their paths where needed.

    Raises UsageError for what is given twice.
    """
    names = [result.name for result in results]
    if len(set(names)) == len(names):
        return names
    paths = [str(path) for path in given]
    for path in paths[1:]:
        if paths[1:].count(path) > 1:
            raise UsageError(f"{path} is given twice; give each result once")
    return [
        name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)
    ]


def _chosen_tasks(
    first: Result | PublishedResult,
    other: Result | PublishedResult,
    tasks: Sequence[str],
    missing: list[str],
) -> list[str]:
    runs = [result for result in (first, other) if not isinstance(result, PublishedResult)]
    known = [set(run.data["results"]) for run in runs]
    every = sorted(set.union(*known))
    for task in tasks:
        if task not in every:
            raise unknown("task of these results", task, every)
    shared = [task for task in every if all(task in names for names in known)]
    for task in every:
        if task not in shared and (not tasks or task in tasks):
            only = next(run.name for run in runs if task in run.data["results"])
            missing.append(f"task {task} is in {only} only")
    return [task for task in shared if not tasks or task in tasks]


def _compare_two(
    first: Result | PublishedResult,
    other: Result | PublishedResult,
    tasks: Sequence[str],
    metrics: Sequence[str],
    allow: Sequence[str],
    settings: Settings,
    allowed: list[Difference],
    missing: list[str],
) -> list[Comparison]:
    published = isinstance(first, PublishedResult) or isinstance(other, PublishedResult)
    rows: list[Comparison] = []
    refused: list[Difference] = []
    for task in tasks:
        if published:
            found, unlike = compare_published(task, first, other, settings)
            found = [row for row in found if not metrics or row.metric in metrics]
            unlike = unlike if found else []
        else:
            assert not isinstance(first, PublishedResult)
            assert not isinstance(other, PublishedResult)
            names, unlike = comparable_rows(task, first, other, metrics, missing)
            refuse = any(not is_allowed(difference, allow) for difference in unlike)
            found = [] if refuse else compare_task(task, first, other, names, settings)
            if found and any(item.field == "data.sha256" for item in unlike):
                count, changed = changed_content(task, first, other)
                note = f"OTHER DATA: {changed} of {count} shared samples differ in content"
                if not count:  # an imported baseline keeps no contents
                    note = "OTHER DATA: which samples differ in content is not known"
                found = [replace(row, notes=(*row.notes, note)) for row in found]
        refused += [difference for difference in unlike if not is_allowed(difference, allow)]
        allowed += [item for item in unlike if is_allowed(item, allow)]
        rows += found
    if refused:
        raise IncomparableError(explain(first.name, other.name, refused))
    if not rows:
        raise IncomparableError(
            f"{first.name} and {other.name} share no task and metric"
            f"{' of those asked for' if metrics else ''}; there is nothing to compare"
        )
    return rows


def comparable_rows(
    task: str, first: Result, other: Result, metrics: Sequence[str], missing: list[str]
) -> tuple[list[str], list[Difference]]:
    """Return the metrics of a task that both have, and in which fields the two differ."""
    for result in (first, other):
        check_finished(result)
    one, two = first.data["results"][task], other.data["results"][task]
    names = [name for name in one if name in two and (not metrics or name in metrics)]
    for name in {*one, *two} - set(names):
        if not metrics or name in metrics:
            missing.append(f"{task}: {name} is in {(first if name in one else other).name} only")
    return names, differences(task, first.data, other.data, names)


def _judge(rows: Sequence[Comparison], alpha: float, *, every: bool) -> list[Comparison]:
    """Adjust the p-values of the family by Holm, and say what follows."""
    family = [i for i, row in enumerate(rows) if (every or row.primary) and row.p is not None]
    adjusted = dict(zip(family, holm([rows[i].p or 0.0 for i in family]), strict=True))
    judged = []
    for number, row in enumerate(rows):
        p = adjusted.get(number)
        if p is None or row.difference is None:
            judged.append(row)
            continue
        better = (row.difference > 0) == row.higher_is_better
        found = ("better" if better else "worse") if p <= alpha else "no difference"
        judged.append(replace(row, p_holm=p, verdict=found))  # type: ignore[arg-type]
    return judged

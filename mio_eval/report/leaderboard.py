"""A leaderboard: many runs and published results, ranked only where they can be compared.

Scores of one task stand in one group when their signatures (but for counts and mio-eval's
version), the task file and the data are the same. Published rows stand with the group that
follows the published protocol: its scores bear no flag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..engine.rundir import RUN_JSON, RunDirectory
from ..errors import UsageError
from ..jsonio import dumps
from ..types import Json
from .known import forget, task_of
from .matrix import Cell, Column, cell_flags, own_cell, title_of
from .published import published_table
from .runs import Run

_DEPTH = 3  # folders below the given one in which runs are looked for
_SIZE_KEYS = ("model_size", "parameters", "params", "size")


@dataclass(frozen=True, slots=True)
class Found:
    """The runs to show, and those left out with the reason."""

    runs: tuple[Run, ...]
    excluded: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model in a group: a cell a metric."""

    model: str
    size: str
    cells: tuple[Cell, ...]
    run: str = ""
    """The run's id; empty for a published row."""
    source: str = ""
    remark: str = ""
    date: str = ""


@dataclass(slots=True)
class Group:
    """Entries that can be compared with each other, best first."""

    title: str
    definition: str
    flags: tuple[str, ...]
    primary: str = ""
    """The metric that the group is sorted by; empty for published rows alone."""
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Board:
    """One task: its metrics (the primary one first) and its groups."""

    task: str
    title: str
    inputs: tuple[str, ...]
    output: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]


def find_runs(folders: Sequence[Path]) -> Found:
    """Find finished runs in folders. Raises UsageError where there is none at all."""
    places = {path.resolve(): path for folder in folders for path in _places(folder)}
    runs, excluded = [], []
    for path in sorted(places):
        try:
            run = Run(path, RunDirectory(path).read())
            if reason := _unfit(run):
                excluded.append((run.id, reason))
            else:
                runs.append(run)
        except UsageError as error:
            excluded.append((path.name, str(error).replace(f"{path}", path.name)))
        except (KeyError, TypeError, AttributeError) as error:
            excluded.append((path.name, f"run.json is damaged: {type(error).__name__}: {error}"))
    if not runs and not excluded:
        where = ", ".join(map(str, folders))
        raise UsageError(f"no run in {where}; give a folder such as results/runs")
    runs.sort(key=lambda run: run.id)
    return Found(tuple(runs), tuple(sorted(excluded)))


def _places(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give a folder of runs, such as results/runs")
    patterns = ["/".join(["*"] * depth + [RUN_JSON]) for depth in range(_DEPTH)]
    return [path.parent for pattern in patterns for path in folder.glob(pattern)]


def _unfit(run: Run) -> str:
    """Say why a run cannot stand on a board; nothing when it can."""
    if run.data["status"] == "running":
        return "not finished: status running"
    if not run.data["results"]:
        return f"no results: {run.data['reason'] or run.data['status']}"
    if run.data["status"] != "complete":
        return f"{run.data['status']}: {run.data['reason'] or 'no reason given'}"
    return ""


def build_boards(runs: Sequence[Run], *, published: bool = True) -> list[Board]:
    """Build a board a task, in the order of their names."""
    forget()
    names = sorted({name for run in runs for name in run.data["results"]})
    return [_board(name, runs, published=published) for name in names]


def _board(name: str, runs: Sequence[Run], *, published: bool) -> Board:
    present = [run for run in runs if name in run.data["results"]]
    columns = _columns(name, present)
    groups: dict[tuple[str, bool], Group] = {}
    for run in present:
        cells = tuple(own_cell(run, column) for column in columns)
        primary = run.data["tasks"][name]["primary"]
        score = run.data["results"][name].get(primary)
        flags = cell_flags(name, primary, run.data) if score else ("NO PRIMARY SCORE",)
        definition = next(
            (c.definition for c, k in zip(cells, columns, strict=True) if k.metric == primary), ""
        )
        # A score that leaves failed samples out stays in its group, marked.
        flags = tuple(flag for flag in flags if not flag.startswith("PARTIAL"))
        key = (f"{primary}\n{definition}", bool(flags))
        group = groups.setdefault(key, Group("", key[0], flags, primary))
        group.entries.append(
            Entry(run.model, model_size(run.data), cells, run.id, date=run.data["ended"] or "")
        )
    found = list(groups.values())
    if published:
        _add_published(name, columns, found)
    ordered = sorted(found, key=lambda group: (bool(group.flags), group.definition))
    for group in ordered:
        group.title = _title(group)
        _rank(group, columns)
    try:
        file = task_of(name).file
    except UsageError:  # the task file is gone
        output = present[0].data["tasks"][name].get("output", "text")
        return Board(name, name, (), output, columns, tuple(ordered))
    return Board(name, file.title, file.inputs, file.output, columns, tuple(ordered))


def _columns(name: str, runs: Sequence[Run]) -> tuple[Column, ...]:
    """Return the metrics of the runs, primary ones first."""
    metrics: dict[str, Json] = {}
    for run in runs:
        for metric, score in run.data["results"][name].items():
            if metric not in metrics or score["primary"]:
                metrics[metric] = score
    order = sorted(metrics, key=lambda metric: not metrics[metric]["primary"])
    return tuple(
        Column(
            name,
            metric,
            name,
            title_of(metric),
            metrics[metric]["unit"],
            metrics[metric]["higher_is_better"],
        )
        for metric in order
    )


def _add_published(name: str, columns: Sequence[Column], groups: list[Group]) -> None:
    """Put published rows with the group that follows their protocol, or into one of their own."""
    try:
        specs = task_of(name).file.published
    except UsageError:
        return
    entries = []
    for spec in specs:
        table = published_table(spec)
        for row in table.rows:
            values = dict(zip(table.metrics, row.values, strict=True))
            cells = tuple(_published_cell(values.get(column.metric)) for column in columns)
            if any(cell.value is not None for cell in cells):
                model, _, size = row.model.partition(" (")
                entries.append(
                    Entry(model, size.rstrip(")"), cells, source=table.source, remark=row.remark)
                )
    if not entries:
        return
    clean = next((group for group in groups if not group.flags), None)
    if clean is None:
        clean = Group("", "published", ())
        groups.append(clean)
    clean.entries += entries


def _published_cell(text: str | None) -> Cell:
    try:
        return Cell(float(text), text) if text else Cell(None, "–")
    except ValueError:
        return Cell(None, "–")


def _title(group: Group) -> str:
    if group.definition == "published":
        return "Published results"
    if group.flags:
        return "; ".join(group.flags)
    return "The task's protocol, whole split"


def _rank(group: Group, columns: Sequence[Column]) -> None:
    """Sort a group by its primary metric, best first, and rank the values as printed.

    The group has one definition of its primary metric. Of another metric nothing is ranked where
    its definition differs from run to run, nor beside published rows what bears a flag.
    """
    at = next((i for i, column in enumerate(columns) if column.metric == group.primary), 0)

    def place(entry: Entry) -> tuple[bool, float, str, str]:
        value = entry.cells[at].value if entry.cells else None
        sign = -1.0 if columns[at].higher_is_better else 1.0
        return (value is None, sign * (value or 0.0), entry.model, entry.run)

    group.entries.sort(key=place)
    for i, column in enumerate(columns):
        ranked = [e.cells[i] for e in group.entries if _takes_part(e.cells[i], group)]
        one = len({cell.definition for cell in ranked if cell.definition}) <= 1
        values = {float(cell.text) for cell in ranked} if one and len(ranked) > 1 else set()
        best = sorted(values, reverse=column.higher_is_better)[:2]
        for number, entry in enumerate(group.entries):
            cell = entry.cells[i]
            value = float(cell.text) if _takes_part(cell, group) else None
            rank = best.index(value) + 1 if value in best else 0
            cells = (*entry.cells[:i], replace(cell, rank=rank), *entry.cells[i + 1 :])
            group.entries[number] = replace(entry, cells=cells)


def _takes_part(cell: Cell, group: Group) -> bool:
    """Tell whether a cell is ranked: the flags of a flagged group are those of all its cells."""
    if cell.value is None or _partial(cell):
        return False
    return bool(group.flags) or not cell.flags


def _partial(cell: Cell) -> bool:
    return any(flag.startswith("PARTIAL") for flag in cell.flags)


def model_size(data: Json) -> str:
    """Return a model's size where the run states it, else nothing: a name proves no size."""
    extra = data["model"].get("extra") or {}
    for key in _SIZE_KEYS:
        value = extra.get(key)
        if isinstance(value, str) and value:
            return value[:20]
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return f"{value / 1e9:.3g}B" if value >= 1e6 else f"{value:g}"
    return ""


def group_id(board: Board, group: Group) -> str:
    """Name a group for other programs: the same definition has the same name everywhere."""
    digest = hashlib.sha256(dumps([board.task, group.definition]).encode()).hexdigest()
    return f"{board.task}-{digest[:8]}"

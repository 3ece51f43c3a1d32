"""Many runs in one table: a row a model, a column a metric, published rows below.

Best and second best are found among comparable cells alone: a flagged cell (sample data, another
judge, a substitute metric, another split or settings, missing samples) is never best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import UsageError
from ..metrics import metric_class
from ..tasks import Task
from ..types import Json
from .flags import data_flags, other_judges, other_settings, partial, short
from .known import task_of
from .published import PublishedRow, model_columns, published_table
from .runs import Run, labels
from .tables import number


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of one task."""

    task: str
    metric: str
    title: str
    """The task's name, or the data set's as the paper prints it."""
    metric_title: str
    unit: str
    higher_is_better: bool
    published: str = ""
    """The published table that has the column; empty when none has."""

    @property
    def heading(self) -> str:
        """What stands above the column, with the direction."""
        return f"{self.title} {self.metric_title} {'↑' if self.higher_is_better else '↓'}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value. `text` is as printed; `value` is None where there is none."""

    value: float | None
    text: str
    ci_low: float | None = None
    ci_high: float | None = None
    interval: str = ""
    flags: tuple[str, ...] = ()
    definition: str = ""
    """What must be equal for two of our cells to be compared; empty for published ones."""
    signature: str = ""
    rank: int = 0
    """1 best, 2 second best of the comparable cells of the column, 0 otherwise."""


EMPTY = Cell(None, "–")


@dataclass(frozen=True, slots=True)
class Row:
    """One model."""

    model: str
    cells: tuple[Cell, ...]
    source: str = ""
    """Where a published row stands; empty for a run of ours."""
    remark: str = ""
    run: str = ""
    """The run's id; empty for a published row."""
    about: tuple[str, ...] = ()
    """What the table says of the model, one a column of `Matrix.about`; a dash where unknown."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The table."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    about: tuple[str, ...] = ()
    """Names of columns about the models, before the scores: image generation, speech."""

    @property
    def own(self) -> tuple[Row, ...]:
        """The rows of runs."""
        return tuple(row for row in self.rows if row.run)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the published rows stand, each once."""
        return tuple(dict.fromkeys(row.source for row in self.rows if row.source))

    @property
    def notes(self) -> tuple[str, ...]:
        """Every flag in full with where it stands, then the remarks on published rows."""
        said: dict[str, list[str]] = {}
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                for flag in cell.flags:
                    said.setdefault(f"{row.model}: {flag}", []).append(
                        f"{column.title} {column.metric_title}"
                    )
        notes = [f"{flag} ({', '.join(where)})" for flag, where in said.items()]
        notes += [f"{row.model}: {row.remark}" for row in self.rows if row.remark]
        return tuple(notes)


def protocol(signature: str) -> str:
    """Reduce a signature to what the number means: without counts and mio-eval's version."""
    parts = signature.split("|")
    return "|".join(p for p in parts if not p.startswith(("n:", "v:")))


def build_matrix(title: str, columns: Sequence[Column], runs: Sequence[Run]) -> Matrix:
    """Fill the columns from runs and published results, and rank the comparable cells."""
    own = [
        Row(label, tuple(own_cell(run, column) for column in columns), run=run.id)
        for label, run in zip(labels(runs), runs, strict=True)
    ]
    rows = [*_same_definition(own, len(columns)), *_published_rows(columns)]
    ranks = [_ranks(column, [row.cells[i] for row in rows]) for i, column in enumerate(columns)]
    ranked = [
        replace(
            row,
            cells=tuple(replace(cell, rank=ranks[i][number_]) for i, cell in enumerate(row.cells)),
        )
        for number_, row in enumerate(rows)
    ]
    about = _about(columns)
    rows_about = (
        replace(row, about=tuple(known.get(row.model, "–") for known in about.values()))
        for row in ranked
    )
    return Matrix(title, tuple(columns), tuple(rows_about), tuple(about))


def _about(columns: Sequence[Column]) -> dict[str, dict[str, str]]:
    """Return the model columns of the published table, when all columns are of one."""
    tables = {column.published for column in columns}
    return model_columns(tables.pop()) if len(tables) == 1 else {}


def own_cell(run: Run, column: Column) -> Cell:
    """Take a run's value of a column, with its flags."""
    score = run.data["results"].get(column.task, {}).get(column.metric)
    if score is None:
        return EMPTY
    facts, source = run.data["tasks"][column.task], run.data["data"][column.task]
    interval = ""
    if score["ci_low"] is not None:
        low, high = (number(score[end], score["unit"]) for end in ("ci_low", "ci_high"))
        interval = f"[{low}, {high}]"
    return Cell(
        value=score["value"],
        text=number(score["value"], score["unit"]),
        ci_low=score["ci_low"],
        ci_high=score["ci_high"],
        interval=interval,
        flags=cell_flags(column.task, column.metric, run.data),
        definition="\n".join((protocol(score["signature"]), facts["sha256"], source["sha256"])),
        signature=score["signature"],
    )


def cell_flags(name: str, metric: str, data: Json) -> tuple[str, ...]:
    """Say in which ways one score of a run is not what the protocol's tables print."""
    facts, source, scores = data["tasks"][name], data["data"][name], data["results"][name]
    score = scores[metric]
    failed = partial(score)
    if data["status"] != "complete" and not failed:
        failed = (f"RUN {data['status'].upper()}: {data['reason'] or 'not finished'}",)
    try:
        task = task_of(name)
    except UsageError:  # the task file is gone: what it asked for is not known
        return data_flags(source, None) + failed
    specs = task.file.published
    flags = data_flags(source, specs[0].comparable_split if specs else None) + failed
    stands_in = [k for k, v in task.file.substitutes.items() if v == metric]
    if stands_in and metric == facts["primary"] != task.file.primary:
        flags += (f"SUBSTITUTE: {metric} stands in for {task.file.primary}; not comparable",)
    if metric in task.file.metrics:
        flags += other_settings(task, facts, metric)
    return flags + _judge_of(task, facts, score["signature"])


def _judge_of(task: Task, facts: Json, signature: str) -> tuple[str, ...]:
    """Keep the flags of judges that the metric's signature names."""
    named = {part.partition(":")[0] for part in signature.split("|")[1:]}
    used = facts.get("judges", {})
    return tuple(
        flag
        for flag in other_judges(task, facts)
        if (role := flag.split()[2]) in named
        or "".join(str(used.get(role, "")).lower().split()) in signature.lower()
    )


def _same_definition(rows: list[Row], columns: int) -> list[Row]:
    """Flag cells whose definition is not that of the column's first unflagged cell."""
    for i in range(columns):
        clean = [row.cells[i] for row in rows if row.cells[i].definition and not row.cells[i].flags]
        for index, row in enumerate(rows):
            cell = row.cells[i]
            if clean and cell in clean and cell.definition != clean[0].definition:
                what = _difference(clean[0].definition, cell.definition)
                cells = list(row.cells)
                cells[i] = replace(cell, flags=(f"OTHER DEFINITION: {what}",))
                rows[index] = replace(row, cells=tuple(cells))
    return rows


def _difference(first: str, other: str) -> str:
    names = ("signature", "task file", "data")
    parts = zip(names, first.split("\n"), other.split("\n"), strict=True)
    return f"the {', '.join(n for n, a, b in parts if a != b)} differs from the first row's"


def _published_rows(columns: Sequence[Column]) -> list[Row]:
    """Collect published rows by model, in the tables' order, values as printed."""
    cells: dict[tuple[str, str], dict[int, Cell]] = {}
    remarks: dict[tuple[str, str], dict[str, None]] = {}
    for i, column in enumerate(columns):
        for source, row, value in _published(column):
            key = (row.model, source)
            cells.setdefault(key, {})[i] = Cell(_float(value), value)
            remarks.setdefault(key, {}).update(dict.fromkeys(filter(None, [row.remark])))
    return [
        Row(
            model,
            tuple(found.get(i, EMPTY) for i in range(len(columns))),
            source=source,
            remark="; ".join(remarks[model, source]),
        )
        for (model, source), found in cells.items()
    ]


def _published(column: Column) -> Iterable[tuple[str, PublishedRow, str]]:
    if not column.published:
        return
    for spec in task_of(column.task).file.published:
        table = published_table(spec)
        if spec.table != column.published or column.metric not in table.metrics:
            continue
        where = table.metrics.index(column.metric)
        for row in table.rows:
            if _float(row.values[where]) is not None:
                yield table.source, row, row.values[where]


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _ranks(column: Column, cells: Sequence[Cell]) -> list[int]:
    """Rank the comparable cells as printed: ties share a rank; a lone cell has none."""
    values = [
        float(cell.text) if cell.value is not None and not cell.flags else None for cell in cells
    ]
    order = sorted({v for v in values if v is not None}, reverse=column.higher_is_better)
    if sum(v is not None for v in values) < 2:
        return [0] * len(cells)
    rank = {value: place for place, value in enumerate(order[:2], 1)}
    return [rank.get(v, 0) if v is not None else 0 for v in values]


def title_of(metric: str) -> str:
    """Return a metric's title; its name when it is not known here."""
    try:
        return metric_class(metric).title
    except UsageError:
        return metric


def mark(row: Row) -> str:
    """Name a row's model with the flags of its cells."""
    flags = tuple(flag for cell in row.cells for flag in cell.flags)
    return f"{row.model} [{short(flags)}]" if flags else row.model

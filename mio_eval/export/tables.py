"""Tidy tables of a run: scores, samples, and the samples' own scores, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import UsageError
from ..jsonio import clean_text, dumps, write_atomic
from ..report.delimited import write_rows
from ..types import Json
from .source import RunSource

Table: TypeAlias = tuple[Sequence[str], list[list[Any]]]

SCORES = (
    *("run", "status", "model", "revision", "task", "split", "data", "limit"),
    *("split_expected", "metric"),
    *("primary", "value", "ci_low", "ci_high", "confidence", "unit", "higher_is_better"),
    *("n_expected", "n_scored", "n_failed", "note", "signature"),
)
SAMPLES = (
    *("run", "model", "task", "id", "cluster", "status", "prompt", "modality", "text", "media"),
    *("sha256", "error_stage", "error_type", "error_message", "references", "seconds", "key"),
)
SAMPLE_SCORES = ("run", "model", "task", "id", "cluster", "metric", "score")


def export_csv(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write scores.csv, samples.csv and sample_scores.csv, no cell of which is a formula.

    An absent value is an empty cell; references are a JSON list.
    """
    written = []
    for name, (header, rows) in tables(source).items():
        flat = [[dumps(v) if isinstance(v, list) else v for v in row] for row in rows]
        path = out / f"{name}.csv"
        write_atomic(path, [clean_text(write_rows(header, flat)).encode()])
        written.append(path)
    return written


def export_parquet(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write the same tables as Parquet, absent values as null. Raises UsageError: no pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "parquet needs pyarrow, which is not installed; install it: "
            'pip install "mio-eval[export]"'
        ) from error
    kinds = {
        "bool": pyarrow.bool_(),
        "float": pyarrow.float64(),
        "int": pyarrow.int64(),
        "list": pyarrow.list_(pyarrow.string()),
    }
    written = []
    for name, (header, rows) in tables(source).items():
        schema = pyarrow.schema(
            [(c, kinds.get(_KINDS.get(c, ""), pyarrow.string())) for c in header]
        )
        columns = [[_clean(row[i]) for row in rows] for i in range(len(header))]
        table = pyarrow.table(
            [
                pyarrow.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ],
            schema=schema,
        )
        path = out / f"{name}.parquet"
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(table, sink)
        write_atomic(path, [sink.getvalue().to_pybytes()])
        written.append(path)
    return written


# Columns that are no text, the same in every run, so that files of many runs go together.
_KINDS = {
    **dict.fromkeys(("primary", "higher_is_better"), "bool"),
    **dict.fromkeys(("value", "ci_low", "ci_high", "confidence", "seconds", "score"), "float"),
    **dict.fromkeys(("n_expected", "n_scored", "n_failed", "limit", "split_expected"), "int"),
    "references": "list",
}


def tables(source: RunSource) -> dict[str, Table]:
    """Build the three tables: name → (columns, rows)."""
    scores: list[list[Any]] = []
    samples: list[list[Any]] = []
    own: list[list[Any]] = []
    for task in source.tasks:
        scores += [_score(source, task, m, score) for m, score in source.scores(task).items()]
        for sample in source.samples(task):
            record, media = sample.record, sample.media or (None, None, None)
            error = record.get("error") or {}
            start = [source.name, source.model, task, sample.id, record.get("cluster", "")]
            samples.append(
                [
                    *start,
                    record["status"],
                    sample.prompt,
                    media[0] or ("text" if sample.text is not None else None),
                    sample.text,
                    *media[1:],
                    error.get("stage"),
                    error.get("type"),
                    error.get("message"),
                    sample.references,
                    (record.get("timing") or {}).get("seconds"),
                    record.get("key"),
                ]
            )
            own += [[*start, metric, value] for metric, value in sample.scores.items()]
    return {
        "scores": (SCORES, scores),
        "samples": (SAMPLES, samples),
        "sample_scores": (SAMPLE_SCORES, own),
    }


def _score(source: RunSource, task: str, metric: str, score: Json) -> list[Any]:
    data = source.dataset(task)
    return [
        source.name,
        source.data["status"],
        source.model,
        source.data["model"].get("revision", ""),
        task,
        data.get("split"),
        data.get("mode"),
        data.get("limit"),
        data.get("split_expected"),
        metric,
        bool(score["primary"]),
        *(score[name] for name in ("value", "ci_low", "ci_high", "confidence", "unit")),
        bool(score["higher_is_better"]),
        *(score[name] for name in ("n_expected", "n_scored", "n_failed")),
        score.get("note", ""),
        score["signature"],
    ]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return [clean_text(str(v)) for v in value] if isinstance(value, list) else value

"""Scores files of predictions and references with one metric (`mio-eval metric`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .engine.score import Rows, Tally, make_score, score_records
from .errors import UsageError
from .metrics import get_metric
from .predictions import check_ids, read_predictions, read_references
from .types import Json, Score


@dataclass(frozen=True, slots=True)
class FileScore:
    """A score of files, with the value of each sample."""

    score: Score
    per_sample: Mapping[str, float | None]
    errors: Mapping[str, str]

    def to_json(self, per_sample: bool = False) -> Json:
        """Return the object that `mio-eval metric --json` prints."""
        score = self.score
        found: dict[str, Json] = {
            "metric": score.metric,
            "value": score.value,
            "ci_low": score.ci_low,
            "ci_high": score.ci_high,
            "n_expected": score.n_expected,
            "n_scored": score.n_scored,
            "n_failed": score.n_failed,
            "signature": score.signature,
        }
        if per_sample:
            found["per_sample"] = dict(self.per_sample)
        return found


def score_files(
    name: str,
    predictions: Path,
    references: Path,
    settings: Mapping[str, str] | None = None,
    *,
    allow_partial: bool = False,
) -> FileScore:
    """Score predictions against references; the references are taken for the whole split.

    Raises UsageError for an unknown metric or setting, malformed files, unknown, duplicate or
    missing ids (missing ones count as failed with `allow_partial`), or a metric that cannot run.
    """
    metric = get_metric(name, **(settings or {}))
    if metric.elsewhere:
        raise UsageError(f"metric {name} does not score files: {metric.elsewhere}")
    if metric.annotators:
        raise UsageError(
            f"metric {name} needs the judge {metric.annotators[0]}, which sees media and not these "
            "files; run it on a task: mio-eval run --model predictions --model-args path=FILE"
        )
    if reason := metric.unavailable():
        raise UsageError(f"metric {name} cannot run here: {reason}")
    known = read_references(references)
    if not known:
        raise UsageError(f'{references} holds no line; give {{"id": …, "references": […]}} lines')
    given = read_predictions(predictions)
    check_ids(predictions, given, known, known, allow_partial=allow_partial)
    if wrong := next((i for i, p in given.items() if p.modality != "text"), None):
        raise UsageError(f"{predictions}: id {wrong!r}: metric {name} scores text")
    if metric.needs_split:
        metric.prepare([reference.references for reference in known.values()])
    records = []
    tally = Tally()
    for sample_id, reference in known.items():
        prediction = given.get(sample_id)
        record: Json = {
            "id": sample_id,
            "status": "ok" if prediction else "failed",
            "output": {"text": prediction.value} if prediction else None,
            "error": None if prediction else {"stage": "data"},
            "references": list(reference.references),
            "cluster": reference.cluster,
            "meta": dict(reference.meta),
        }
        tally.saw(record)
        if prediction:
            records.append(record)
    rows = Rows()
    lines = list(score_records(records, [metric], {name: rows}))
    return FileScore(
        make_score(metric, rows, tally, primary=True),
        {line["id"]: line["scores"].get(name) for line in lines},
        {line["id"]: line["errors"][name]["message"] for line in lines if "errors" in line},
    )

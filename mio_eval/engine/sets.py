"""Gives metrics of the whole set (FID, KID) the stored feature vectors of all samples at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..metrics.sets import SetMetric
from ..types import Json
from .annotate import read_annotations
from .journal import is_ok, read_journal
from .rundir import SAMPLES
from .vectors import is_place, read_vectors


def prepare_sets(folder: Path, metrics: Sequence[SetMetric]) -> dict[str, str]:
    """Let every metric compute its score of the set; returns those that refuse it, and why.

    The set is of the samples that have an output and its features. Raises RunError when stored
    features are damaged, UsageError for settings that do not fit them.
    """
    refused: dict[str, str] = {}
    for metric in metrics:
        places = _places(folder, metric.annotators[0])
        reason = metric.refusal(len(places))
        if reason is not None:
            refused[metric.name] = reason
            continue
        ids = sorted(places)
        vectors = read_vectors(folder, metric.annotators[0], [places[i] for i in ids])
        try:
            metric.take_set(ids, vectors)
        except ValueError as error:
            raise UsageError(f"{metric.name}: {error}; choose other settings") from error
    return refused


def _places(folder: Path, judge: str) -> dict[str, Json]:
    """Return sample id → where its vectors are."""
    annotations = read_annotations(folder)
    found: dict[str, Json] = {}
    for record in read_journal(folder / SAMPLES):
        line = annotations.get(record["id"], {}).get(judge) if is_ok(record) else None
        if line is not None and is_ok(line) and is_place(line["value"]):
            found[record["id"]] = line["value"]
    return found

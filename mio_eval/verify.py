"""Recomputes a run's scores from its directory alone, bit for bit.

Three questions, each answered apart: are the files those the run wrote (hashes)? do the outputs
and references give the stored statistics? do the statistics give the stored scores?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import eq
from pathlib import Path

import numpy as np

from .engine.columns import Fingerprint
from .engine.journal import read_journal
from .engine.run import reasons_to_fail
from .engine.rundir import SAMPLES, STATS, RunDirectory
from .engine.score import (
    Rows,
    Tally,
    make_groups,
    make_score,
    prepare_metrics,
    score_json,
    statistics_lines,
)
from .errors import MioEvalError
from .jsonio import file_sha256
from .metrics import get_metric
from .metrics.base import Metric
from .types import MEDIA_TYPES, Json

_SHOWN = 5  # samples named when statistics differ
_SET_TOLERANCE = 1e-6  # relative, of a set's pseudo-values


@dataclass(slots=True)
class Verification:
    """What was checked, what differs, and what could not be checked here."""

    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when nothing differs."""
        return not self.problems


def verify(path: Path) -> Verification:
    """Verify the run in `path`. Raises UsageError when it is no run directory."""
    run = RunDirectory(path)
    data = run.read()
    found = Verification()
    try:
        _verify(run, data, found)
    except (KeyError, TypeError, AttributeError) as error:
        found.problems.append(f"run.json is damaged: {type(error).__name__}: {error}")
    return found


def _verify(run: RunDirectory, data: Json, found: Verification) -> None:
    if data["status"] == "running":
        found.problems.append("the run is not finished (status running); continue it first")
    _check_files(run, data, found)
    if data["status"] == "complete" and (reasons := reasons_to_fail(data)):
        found.problems.append(f"status is complete in run.json, but {'; '.join(reasons)}")
    for name, facts in data["tasks"].items():
        if name not in data["results"]:
            found.problems.append(f"{name}: no results; the run ended before this task")
            continue
        folder = run.path / facts["directory"]
        try:
            _check_task(name, folder, facts, data, found)
        except (MioEvalError, OSError, KeyError, ValueError, TypeError) as error:
            found.problems.append(f"{name}: cannot be recomputed: {type(error).__name__}: {error}")


def _check_files(run: RunDirectory, data: Json, found: Verification) -> None:
    recorded = data["files"]
    for name, facts in recorded.items():
        path = run.path / name
        if not path.is_file():
            found.problems.append(f"{name}: the file is gone")
        elif file_sha256(path) != facts["sha256"]:
            found.problems.append(f"{name}: sha256 differs from run.json; the file was changed")
    if extra := sorted(set(run.hash_files()) - set(recorded)):
        found.problems.append(f"files that the run did not write: {', '.join(extra[:_SHOWN])}")
    found.checked.append(f"sha256 of {len(recorded)} files")


def _check_task(name: str, folder: Path, facts: Json, data: Json, found: Verification) -> None:
    absent = set(facts["absent"])
    if odd := (set(facts["metrics"]) ^ set(data["results"][name])) - absent:
        found.problems.append(f"{name}: results lack, or should not have: {', '.join(sorted(odd))}")
    metrics = []
    for metric_name in (metric for metric in facts["metrics"] if metric not in absent):
        metric = _metric(metric_name, facts)
        reason = metric.unavailable()
        if reason is None:
            metrics.append(metric)
        else:
            found.unchecked.append(f"{name}: statistics of {metric_name} from outputs: {reason}")
    for role, judge in facts.get("judges", {}).items():
        found.unchecked.append(
            f"{name}: what the judge {role} ({judge}) said of the outputs is taken as stored"
        )
    stored = {line["id"]: line for line in read_journal(folder / STATS)}
    tally, fingerprint = _recompute_statistics(name, folder, metrics, stored, found)
    source = data["data"][name]
    if fingerprint != source["sha256"]:
        found.problems.append(f"{name}: the data fingerprint differs")
    if tally.expected != source["n"]:
        found.problems.append(f"{name}: {tally.expected} samples, run.json says {source['n']}")
    if (tally.failed, tally.stages) != (facts["n_failed"], facts["failures"]):
        found.problems.append(
            f"{name}: {tally.failed} failed samples {tally.stages}, run.json says "
            f"{facts['n_failed']} {facts['failures']}"
        )
    _check_media(name, folder, data["files"], found)
    _recompute_scores(name, facts, tally, stored, data["results"][name], found)
    _recompute_groups(name, facts, tally, stored, data, found)


def _check_media(name: str, folder: Path, files: Json, found: Verification) -> None:
    """Check that the media the samples name are those of the run's files."""
    for record in read_journal(folder / SAMPLES):
        output = record["output"] or {}
        for modality in output.keys() & set(MEDIA_TYPES):
            if files.get(output[modality], {}).get("sha256") != output["sha256"]:
                found.problems.append(
                    f"{name}: sample {record['id']!r}: {output[modality]} is not the file it names"
                )


def _recompute_statistics(
    name: str,
    folder: Path,
    metrics: Sequence[Metric],
    stored: dict[str, Json],
    found: Verification,
) -> tuple[Tally, str]:
    """Compute statistics anew from outputs and references, and compare them with the stored."""
    prepare_metrics(folder, metrics)
    tally = Tally()
    prints = Fingerprint()
    rows = {metric.name: Rows() for metric in metrics}
    names = [metric.name for metric in metrics]
    of_sets = {metric.name for metric in metrics if metric.whole_set}
    different: dict[str, list[str]] = {metric: [] for metric in names}
    count = 0
    for line in statistics_lines(folder, metrics, rows, tally, prints):
        count += 1
        before = stored.get(line["id"], {})
        for metric in names:
            same = _nearly_same if metric in of_sets else eq
            for part in ("stats", "scores", "errors"):
                if not same(line.get(part, {}).get(metric), before.get(part, {}).get(metric)):
                    different[metric].append(line["id"])
                    break
    for metric, ids in different.items():
        if ids:
            shown = ", ".join(ids[:_SHOWN])
            found.problems.append(
                f"{name}: {metric}: {len(ids)} samples have other statistics than stored: {shown}"
            )
    if count != len(stored):
        found.problems.append(f"{name}: {count} finished samples, {len(stored)} with statistics")
    if metrics:
        found.checked.append(
            f"{name}: statistics of {', '.join(names)} from {count} outputs and references"
        )
    return tally, prints.digest()


def _nearly_same(after: Json, before: Json) -> bool:
    """Compare statistics of a set, which come out of an eigenvalue decomposition.

    Its last digits depend on the processor and the number of threads; all else is compared bit for
    bit, and so are the scores that follow from the stored statistics.
    """
    if not isinstance(after, list) or not isinstance(before, list):
        return bool(after == before)
    return len(after) == len(before) and bool(np.allclose(after, before, rtol=_SET_TOLERANCE))


def _recompute_groups(
    name: str,
    facts: Json,
    tally: Tally,
    stored: dict[str, Json],
    data: Json,
    found: Verification,
) -> None:
    """Compute the scores of groups anew from the stored statistics."""
    before = data.get("groups", {}).get(name, {})
    metrics = [_metric(m, facts) for m in data["results"][name] if m not in facts["absent"]]
    rows = {metric.name: rows_of(metric, stored.values()) for metric in metrics}
    after = make_groups(metrics, rows, tally)
    for metric in sorted(before.keys() | after.keys()):
        if before.get(metric) != after.get(metric):
            found.problems.append(f"{name}: {metric}: run.json has other scores of groups")
    if after:
        found.checked.append(f"{name}: scores of groups of {', '.join(after)}")


def _recompute_scores(
    name: str,
    facts: Json,
    tally: Tally,
    stored: dict[str, Json],
    results: Json,
    found: Verification,
) -> None:
    """Compute scores and intervals anew from the stored statistics."""
    for metric_name, before in results.items():
        metric = _metric(metric_name, facts)
        rows = rows_of(metric, stored.values())
        score = make_score(metric, rows, tally, metric_name == facts["primary"])
        after = score_json(score)
        for key, value in after.items():
            if before.get(key) != value:
                found.problems.append(
                    f"{name}: {metric_name}: {key} is {before.get(key)!r} in run.json, "
                    f"{value!r} recomputed"
                )
    found.checked.append(f"{name}: values, intervals and signatures of {', '.join(results)}")


def _metric(name: str, facts: Json) -> Metric:
    """Build a metric as the run had it: settings, modality of outputs, judges."""
    metric = get_metric(name, **facts["metrics"][name])
    metric.bind(facts.get("output", "text"), facts.get("judges", {}))
    return metric


def rows_of(metric: Metric, lines: Iterable[Json]) -> Rows:
    """Collect the stored statistics of one metric."""
    rows = Rows()
    values = []
    for line in lines:
        if metric.name in line["stats"]:
            rows.ids.append(line["id"])
            rows.clusters.append(line["cluster"])
            values.append(line["stats"][metric.name])
        elif metric.name in line.get("errors", {}):
            rows.failed += 1
    if values:
        rows.blocks.append(np.array(values, dtype=np.float64))
    return rows

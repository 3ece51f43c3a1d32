"""Reads the result files of lm-eval (0.4) and lmms-eval (0.7): aggregates, and samples if kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..display import one_line
from ..errors import UsageError
from ..types import Json

# Values beside a metric's own that are no metrics.
_BESIDE = ("_stderr", "_stderr_clt", "_stderr_clustered")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A value of the results file."""

    metric: str
    filter: str
    value: float
    stderr: float | None


@dataclass(frozen=True)
class Results:
    """A results file, and where the samples of its tasks are."""

    path: Path
    harness: str
    version: str
    content: Json = field(repr=False)

    @property
    def tasks(self) -> list[str]:
        """Tasks and groups that have results."""
        return list(self.content["results"])

    @property
    def model(self) -> str:
        """The model's name, on one line."""
        config = self.content.get("config") or {}
        name = self.content.get("model_name") or config.get("model_args") or config.get("model")
        return one_line(str(name or "unknown"))[:200]

    def aggregates(self, task: str) -> Iterator[Aggregate]:
        """Yield a task's values that are finite numbers."""
        row = self.content["results"][task]
        for key, value in row.items():
            metric, comma, chosen = key.partition(",")
            if not comma or metric.endswith(_BESIDE) or not is_number(value):
                continue
            error = row.get(f"{metric}_stderr,{chosen}")
            yield Aggregate(
                metric, chosen, float(value), float(error) if is_number(error) else None
            )

    def without_value(self, task: str) -> list[str]:
        """Return the metrics of a task whose value is no finite number (NaN, "N/A")."""
        return [
            key
            for key, value in self.content["results"][task].items()
            if "," in key and not key.partition(",")[0].endswith(_BESIDE) and not is_number(value)
        ]

    def own_counts(self, task: str, metric: str) -> tuple[int, int] | None:
        """Return how many samples were expected and scored, where our own export says so."""
        scores = (self.content.get("mio") or {}).get("scores") or {}
        try:
            score = scores[task][metric]
            counts = score["n_expected"], score["n_scored"]
        except (KeyError, TypeError):
            return None
        return counts if all(isinstance(n, int) for n in counts) else None

    def leaves(self, task: str) -> list[str]:
        """Return the tasks of a group, at any depth; a task alone for itself."""
        under = (self.content.get("group_subtasks") or {}).get(task) or []
        found = [leaf for name in under if name != task for leaf in self.leaves(name)]
        return list(dict.fromkeys(found)) or [task]

    def samples(self, task: str) -> Iterator[Json] | None:
        """Return the lines of a task's samples, None when they were not kept."""
        path = next((p for p in self._sample_files(task) if p.is_file()), None)
        return None if path is None else _lines(path)

    def _sample_files(self, task: str) -> Iterator[Path]:
        folder, name = self.path.parent, self.path.name
        names = [task, "".join(c if c.isalnum() or c in "._-" else "_" for c in task)]
        for each in dict.fromkeys(names):
            if self.harness == "lm-eval":
                date = name.removeprefix("results_").removesuffix(".json")
                yield folder / f"samples_{each}_{date}.jsonl"
            else:
                date = name.removesuffix("_results.json")
                yield folder / f"{date}_samples_{each}.jsonl"

    def sample_count(self, task: str) -> int | None:
        """Return how many samples a task was run on, None when the file does not say."""
        counts = self.content.get("n-samples") or {}
        found = [(counts.get(leaf) or {}).get("effective") for leaf in self.leaves(task)]
        if all(isinstance(n, int) for n in found):
            return sum(n for n in found if isinstance(n, int))
        length = self.content["results"][task].get("sample_len")
        return length if isinstance(length, int) else None

    def run_data(self) -> dict[str, Json]:
        """Return the start of a baseline's run: the model, seeds, no tasks yet.

        Other harnesses keep results of complete runs only; our export also those of failed ones.
        """
        config = self.content.get("config") or {}
        own = self.content.get("mio") or {}
        return {
            "status": own.get("status") or "complete",
            "reason": own.get("reason"),
            "model": {
                "backend": self.harness,
                "name": self.model,
                "version": self.version,
                "revision": str(config.get("model_sha") or config.get("model_revision") or ""),
                "dtype": str(config.get("model_dtype") or ""),
                "extra": {},
            },
            "tasks": {},
            "data": {},
            "results": {},
            "seeds": {"generation": config.get("random_seed")},
            "started": None,
            "ended": None,
        }


def read_lm_eval(path: Path) -> Results:
    """Read `results_*.json` of lm-eval. Raises UsageError."""
    file = _find(path, ["results_*.json", "*/results_*.json"])
    content = _read(file)
    return Results(file, "lm-eval", _version(content, "lm_eval_version"), content)


def read_lmms_eval(path: Path) -> Results:
    """Read `*_results.json` of lmms-eval. Raises UsageError."""
    file = _find(path, ["*_results.json", "*/*_results.json"])
    content = _read(file)
    return Results(file, "lmms-eval", _version(content, "lmms_eval_version"), content)


def is_number(value: Json) -> bool:
    """Tell whether a value is a finite number, or right or wrong."""
    return isinstance(value, int | float) and math.isfinite(value)


def _version(content: Json, key: str) -> str:
    own = (content.get("mio") or {}).get("mio_eval")  # our export: lm-eval has computed nothing
    text = f"mio-eval-{own}" if own else str(content.get(key) or "unknown")
    return "".join(text.lower().replace("|", "-").replace(":", "-").split())


def _find(path: Path, patterns: Sequence[str]) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder; give a results file ({patterns[0]})")
    found = sorted({file for pattern in patterns for file in path.glob(pattern)})
    if not found:
        raise UsageError(f"{path} holds no results file: expected {' or '.join(patterns)}")
    if len(found) > 1:
        names = ", ".join(str(file) for file in found[:5])
        raise UsageError(f"{path} holds {len(found)} results files; give one of them: {names}")
    return found[0]


def _read(path: Path) -> Json:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    results = content.get("results") if isinstance(content, Mapping) else None
    if not isinstance(results, Mapping) or not all(isinstance(r, dict) for r in results.values()):
        raise UsageError(
            f"{path} is no results file: expected an object with `results`, task → values"
        )
    return content


def _lines(path: Path) -> Iterator[Json]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                sample = json.loads(line)
                if not isinstance(sample, dict) or "doc_id" not in sample:
                    raise ValueError("no object with a doc_id")
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path} line {number} is no sample: {error}") from error
            yield sample

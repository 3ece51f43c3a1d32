"""What every export reads of a run: facts, scores and samples, in one order, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from .. import __version__
from ..comparison.pairing import interval_error
from ..errors import RunError, UsageError
from ..load import Run, load_run
from ..types import Json
from .redact import redacted, redacted_command

_MODALITIES = ("image", "audio", "video")


@dataclass(frozen=True, slots=True)
class ExportedSample:
    """A sample: its record, and its own score by each metric that scored it."""

    id: str
    record: Json = field(repr=False)
    scores: Mapping[str, float]
    """Without the metrics that did not score it; empty for a failed sample."""

    @property
    def ok(self) -> bool:
        """False when the sample has no output."""
        return bool(self.record["status"] == "ok")

    @property
    def failure(self) -> str:
        """`stage: type: message` of a failed sample, else ""."""
        error = self.record.get("error")
        if self.ok or not error:
            return "" if self.ok else "failed without a reason"
        return f"{error['stage']}: {error['type']}: {error['message']}"

    @property
    def text(self) -> str | None:
        """The output's text, None for media and failures."""
        text = (self.record.get("output") or {}).get("text")
        return None if text is None else str(text)

    @property
    def media(self) -> tuple[str, str, str] | None:
        """Modality, path in the run directory, sha256 of the output; None for text."""
        output = self.record.get("output") or {}
        for kind in _MODALITIES:
            if kind in output:
                return kind, str(output[kind]), str(output.get("sha256", ""))
        return None

    @property
    def references(self) -> list[str]:
        """The references."""
        return [str(reference) for reference in self.record.get("references") or ()]

    @property
    def prompt(self) -> str:
        """The prompt as text, a medium as `<image>`."""
        return prompt_text(self.record.get("prompt") or ())


@dataclass(frozen=True)
class RunSource:
    """A finished run to export."""

    run: Run

    @property
    def data(self) -> Json:
        """run.json"""
        return self.run.data

    @property
    def name(self) -> str:
        """The run's id."""
        return self.run.name

    @property
    def model(self) -> str:
        """The model's name."""
        return self.run.model

    @property
    def complete(self) -> bool:
        """False when more samples failed than allowed, or a score is missing."""
        return bool(self.data["status"] == "complete")

    @cached_property
    def ended(self) -> datetime:
        """When the run ended, in UTC."""
        text = self.data.get("ended") or self.data["started"]
        return datetime.fromisoformat(text).astimezone(UTC)

    @cached_property
    def command(self) -> list[str]:
        """The command line, without secrets."""
        return redacted_command([str(word) for word in self.data.get("command") or ()])

    @cached_property
    def config(self) -> Json:
        """Options and model identity, without secrets."""
        return redacted(
            {
                "run": self.name,
                "status": self.data["status"],
                "model": self.data["model"],
                "options": self.data.get("options", {}),
                "seeds": self.data.get("seeds", {}),
                "packages": self.data.get("packages", {}),
                "git": self.data.get("git"),
                "mio_eval": __version__,
            }
        )

    @property
    def tasks(self) -> list[str]:
        """The tasks of the run that came to the end, those of unscored splits too."""
        return [task for task in self.data["tasks"] if "n" in self.data["data"].get(task, {})]

    def scores(self, task: str) -> Mapping[str, Json]:
        """Metric → score as in run.json."""
        found: Mapping[str, Json] = self.data["results"].get(task, {})
        return found

    def facts(self, task: str) -> Json:
        """What run.json says of a task."""
        return self.data["tasks"][task]

    def dataset(self, task: str) -> Json:
        """What run.json says of a task's data."""
        return self.data["data"][task]

    def label(self, task: str) -> str:
        """Name a task for readers elsewhere, so that no part of a data set passes for the whole."""
        data = self.dataset(task)
        found = f"{task} (sample data)" if data["mode"] == "sample" else task
        if data.get("limit"):
            return f"{found} (first {data['limit']})"
        if expected := self.incomplete(task):
            return f"{found} ({data['n']} of {expected} samples)"
        return found

    def incomplete(self, task: str) -> int | None:
        """Return how many samples the split has where the run's data had another number."""
        data = self.dataset(task)
        expected: int | None = data.get("split_expected")
        whole = data["mode"] == "sample" or expected is None or data["n"] == expected
        return None if whole else expected

    def samples(self, task: str) -> Iterator[ExportedSample]:
        """Yield the samples, sorted by id. A failed sample has no score, whatever is stored."""
        scored: dict[str, dict[str, float | None]] = {}
        for metric in self.scores(task):
            rows = self.run.rows(task, metric)
            if rows is not None:
                scored[metric] = dict(zip(rows.ids, rows.scores, strict=True))
        latest = {str(record["id"]): record for record in self.run.records(task)}
        for name in sorted(latest):
            record = latest[name]
            values = {m: rows.get(name) for m, rows in scored.items()}
            own = {m: v for m, v in values.items() if v is not None}
            yield ExportedSample(name, record, own if record["status"] == "ok" else {})

    def media_file(self, sample: ExportedSample) -> Path | None:
        """Return the file of a sample's output, None when it is gone or lies outside the run."""
        if sample.media is None:
            return None
        path = self.run.path / sample.media[1]
        if not path.resolve().is_relative_to(self.run.path.resolve()) or not path.is_file():
            return None
        return path


def open_source(path: str | Path) -> RunSource:
    """Open a run to export. Raises RunError for one that is not finished."""
    run = load_run(path)
    try:
        if run.data["status"] == "running":
            raise RunError(
                f"{path} is not finished (status running); "
                f"continue it with: mio-eval run --resume {path}"
            )
        source = RunSource(run)
        for task in source.tasks:
            source.facts(task)["directory"]
        _ = source.model, source.ended, source.command
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path}: run.json is damaged ({type(error).__name__}: {error}); "
            "take it from a backup, or run again"
        ) from error
    return source


def standard_error(score: Json) -> float | None:
    """Return the standard error that a score's interval stands for, None without an interval."""
    return interval_error(score)


def prompt_text(parts: Sequence[Json]) -> str:
    """Put the parts of a prompt into one text, a medium as `<image>`."""
    words = []
    for part in parts:
        kind = next((kind for kind in _MODALITIES if kind in part), None)
        words.append(f"<{kind}>" if kind else str(part.get("text", "")))
    return "".join(words)


def file_name(text: str) -> str:
    """Return a name that is safe as a file name everywhere."""
    return re.sub(r"[^A-Za-z0-9._-]+", "__", text).strip(".")[:120] or "unnamed"

"""Turns a task's journal, annotations and statistics into the records that the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...engine.journal import read_journal
from ...engine.rundir import ANNOTATIONS, SAMPLES, STATS
from ...errors import RunError
from ...jsonio import clean_text
from ...types import MEDIA_TYPES, Json, Media
from .inputs import Originals
from .media import MediaStore

TEXT_LIMIT = 20_000  # characters of one text that the page holds; the rest is in samples.jsonl
_NONE = Originals()
_SPACES = re.compile(r"\s\s+")


@dataclass(slots=True)
class Failures:
    """Counts of failed samples by stage and type."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def saw(self, error: Json) -> None:
        """Count an error."""
        key = (cut(error["stage"], 40), cut(error["type"], 80))
        self.counts[key] = self.counts.get(key, 0) + 1

    def to_json(self) -> Json:
        """Return `[stage, type, count]`, most frequent first."""
        order = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [[stage, kind, count] for (stage, kind), count in order]


def records(
    run: Path,
    folder: Path,
    originals: Mapping[str, Originals],
    store: MediaStore,
    failures: Failures,
) -> Iterator[Json]:
    """Yield a task's samples, sorted by id; the journal's own order is chance."""
    stats = {line["id"]: line for line in read_journal(folder / STATS)}
    said: dict[str, list[Json]] = {}
    for line in read_journal(folder / ANNOTATIONS):
        said.setdefault(line["sample"], []).append(line)
    last = {record["id"]: record for record in _journal(folder / SAMPLES)}
    for name in sorted(last, key=_natural):
        record = last[name]
        media = originals.get(name, _NONE)
        yield _record(run, record, stats.get(name, {}), said.get(name, []), media, store, failures)


def _journal(path: Path) -> Iterator[Json]:
    for record in read_journal(path):
        if not {"id", "status"} <= record.keys():
            raise RunError(f"{path}: a record without id or status; restore the file")
        yield record


def _record(
    run: Path,
    record: Json,
    stats: Json,
    said: list[Json],
    media: Originals,
    store: MediaStore,
    failures: Failures,
) -> Json:
    shown: dict[str, Json] = {"id": cut(record["id"], 500), "ok": record["status"] == "ok"}
    shown["p"] = [_prompt_part(part, media, store) for part in record.get("prompt") or ()]
    if record.get("output"):
        shown["o"] = _output(run, record["output"], store)
    if error := record.get("error"):
        failures.saw(error)
        shown["e"] = _error(error)
    shown["r"] = [cut(text) for text in record.get("references") or ()]
    if targets := _targets(media, store):
        shown["g"] = targets
    shown["c"] = cut(str(record.get("cluster", "")), 500)
    timing = record.get("timing") or {}
    shown["t"] = timing.get("seconds")
    if timing.get("cached"):
        shown["cached"] = True
    if told := record.get("details"):
        shown["told"] = _bounded(told)
    if meta := record.get("meta"):
        shown["meta"] = _bounded(meta)
    shown["s"] = stats.get("scores", {})
    if errors := stats.get("errors"):
        shown["se"] = {metric: _error(error) for metric, error in errors.items()}
        for error in {(e["stage"], e["type"]): e for e in errors.values()}.values():
            failures.saw(error)
    details = dict(stats.get("details", {}))
    if segments := alignment(details):
        shown["al"] = segments
    if rest := {m: d for m, d in details.items() if "alignment" not in d}:
        shown["d"] = _bounded(rest)
    if said:
        shown["an"] = [_annotation(line) for line in said]
    return shown


def _prompt_part(part: Json, media: Originals, store: MediaStore) -> Json:
    if "text" in part:
        return {"x": cut(part["text"])}
    modality = next(m for m in MEDIA_TYPES if m in part)
    shown = {"k": modality, "n": cut(str(part[modality]), 200), "h": part.get("sha256")}
    original = media.inputs.get((modality, part[modality]))
    if original is not None and part.get("sha256"):
        key = store.add(part["sha256"], modality, original.read)
        if key is not None:
            shown["m"] = key
    return shown


def _output(run: Path, output: Json, store: MediaStore) -> Json:
    if "text" in output:
        return {"x": cut(output["text"])}
    modality = next(m for m in MEDIA_TYPES if m in output)
    name, sha256 = output[modality], output["sha256"]
    shown = {"k": modality, "n": cut(str(name), 200), "h": sha256}
    path = run / name
    # A run directory may come from elsewhere: only files inside it are shown.
    if path.resolve().is_relative_to(run.resolve()):
        key = store.add(sha256, modality, path.read_bytes, path)
        if key is not None:
            shown["m"] = key
    return shown


def _targets(media: Originals, store: MediaStore) -> Json:
    shown = []
    for name, target in media.targets.items():
        try:
            sha256 = target.sha256
        except OSError:
            continue
        key = _add_target(store, sha256, target)
        shown.append({"k": target.modality, "n": cut(name, 200), "h": sha256, "m": key})
    return shown


def _add_target(store: MediaStore, sha256: str, target: Media) -> str | None:
    return store.add(sha256, target.modality, target.read)


def _annotation(line: Json) -> Json:
    shown: dict[str, Json] = {"by": cut(str(line["annotator"]), 100)}
    if line["status"] == "ok":
        shown["v"] = _bounded(line["value"])
    else:
        shown["e"] = _error(line["error"])
    return shown


def _error(error: Json) -> Json:
    return [cut(str(error[part]), 600) for part in ("stage", "type", "message")]


def alignment(details: Json) -> list[list[str]] | None:
    """Return the word alignment of an error rate as (operation, reference, hypothesis) pieces."""
    for metric, detail in details.items():
        if metric == "cer" or "alignment" not in detail:
            continue
        reference, hypothesis = _words(detail["reference"]), _words(detail["hypothesis"])
        pieces = []
        for kind, start, end, other_start, other_end in detail["alignment"]:
            said, heard = reference[start:end], hypothesis[other_start:other_end]
            if kind == "substitute":  # word by word: each stands above the one it became
                pieces += [["substitute", *pair] for pair in zip(said, heard, strict=True)]
            else:
                pieces.append([kind, " ".join(said), " ".join(heard)])
        return pieces
    return None


def _words(text: str) -> list[str]:
    """Split as jiwer does: runs of white space are one space, and only a space separates."""
    return _SPACES.sub(" ", text).strip().split(" ")


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """Bound a text, saying how long it was; lone surrogates become U+FFFD."""
    if len(text) > limit:
        text = f"{text[:limit]}… [cut: {len(text):,} characters in all]"
    return clean_text(text)


def _bounded(value: Json, depth: int = 0) -> Json:
    """Bound what a judge or a reader noted: long texts are cut, long lists shortened."""
    if isinstance(value, str):
        return cut(value, 2000)
    if depth > 4:
        return "…"
    if isinstance(value, list):
        return [_bounded(item, depth + 1) for item in value[:50]]
    if isinstance(value, dict):
        items = list(value.items())[:50]
        return {cut(str(name), 100): _bounded(item, depth + 1) for name, item in items}
    return value


def _natural(name: str) -> tuple[int, str]:
    """Sort numbers by value: 9 before 10."""
    return (int(name), name) if name.isascii() and name.isdigit() and len(name) < 19 else (-1, name)

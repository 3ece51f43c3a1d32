"""A sample's record in the journal: the contract's fields, and how responses become records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real

from ..jsonio import clean_text
from ..models.base import describe
from ..types import Failure, Json, Media, Response, Sample, Text

MEDIA = ("image", "audio", "video")
_MESSAGE_LIMIT = 500  # characters kept of a failure's message


def blank(sample: Sample) -> Json:
    """Make the record of a sample of which nothing is known yet, the fields in their order."""
    return {
        "id": sample.id,
        "key": None,
        "status": "failed",
        "prompt": None,
        "output": None,
        "error": None,
        "timing": {},
        "references": list(sample.references),
        "cluster": sample.cluster or sample.id,
        "content": None,
        "meta": dict(sample.meta),
    }


def fail(record: Json, failure: Failure) -> Json:
    """Put a failure into a record; return the record."""
    message = clean_text(str(failure.message))[:_MESSAGE_LIMIT]
    error = {"stage": failure.stage, "type": failure.type, "message": message}
    record.update(status="failed", output=None, error=error)
    return record


def finish(record: Json, response: Response, keep: Callable[[Media, bytes], Json]) -> Json:
    """Put a response into its sample's record; `keep` stores a medium. Return the record."""
    record["timing"] = {"seconds": _number(response.seconds), "cached": False}
    if response.usage:
        record["timing"]["usage"] = _numbers(response.usage)
    if response.details:
        record["details"] = dict(response.details)
    if response.failure is not None:
        return fail(record, response.failure)
    output = response.output
    if isinstance(output, Text):
        record.update(status="ok", output={"text": clean_text(output.text)})
    elif isinstance(output, Media):
        try:
            data = output.read()
        # The model's own code makes the bytes: what it raises fails this sample.
        except Exception as error:
            return fail(record, describe(error))
        record.update(status="ok", output=keep(output, data))
    return record


def from_cache(record: Json, found: Json, output: Json) -> Json:
    """Put a cached response into its sample's record, with the output as it is named here."""
    record.update(status="ok", output=output)
    record["timing"] = {"seconds": found.get("seconds"), "cached": True}
    if "details" in found:
        record["details"] = found["details"]
    return record


def for_cache(record: Json) -> Json:
    """Return what the cache keeps of a finished record."""
    entry = {"output": record["output"], "seconds": record["timing"]["seconds"]}
    if "details" in record:
        entry["details"] = record["details"]
    return entry


def shared(record: Json, twin: Json) -> Json:
    """Return the record of a sample of equal content, which got the same answer."""
    copy = dict(twin)
    for name in ("status", "output", "error"):
        copy[name] = record[name]
    # One answer was paid for, not two.
    timing = {name: value for name, value in record["timing"].items() if name != "usage"}
    copy["timing"] = {**timing, "shared": True}
    if "details" in record:
        copy["details"] = record["details"]
    return copy


def media_path(output: Json) -> str:
    """Return where a record's medium lies in the run directory."""
    path: str = next(output[modality] for modality in MEDIA if modality in output)
    return path


def _number(value: object) -> float | int | None:
    """Return a number that JSON can hold, else None: timings come from the model's code."""
    if isinstance(value, int):
        return value
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def _numbers(usage: Mapping[str, object]) -> dict[str, float | int]:
    counts = {str(name): _number(value) for name, value in usage.items()}
    return {name: value for name, value in counts.items() if value is not None}

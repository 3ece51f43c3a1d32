"""Requests and responses as plain data (dicts, strings, bytes), for workers in other processes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ..models.base import describe
from ..types import MEDIA_TYPES, Failure, Json, Media, Part, Request, Response, Text


class NotHereError(Exception):
    """A file that another machine named is not here."""


def pack_request(request: Request, ship: bool) -> Json:
    """Describe a request. Media files go by path, with `ship` by content.

    Raises OSError, or what a reader's own code raises, when content cannot be read.
    """
    return {
        "sample_id": request.sample_id,
        "parts": [_pack_part(part, ship) for part in request.parts],
        "want": request.want,
        "settings": dict(request.settings),
        "seed": request.seed,
        "key": request.key,
    }


def unpack_request(data: Json) -> Request:
    """Build a request again. Raises NotHereError when a file is not here, or another."""
    parts = tuple(_unpack_part(part) for part in data["parts"])
    return Request(**{**data, "parts": parts})


def pack_response(response: Response) -> Json:
    """Describe a response; its medium is encoded here, and a failure to do so is the sample's."""
    data: dict[str, Json] = {
        "sample_id": response.sample_id,
        "seconds": response.seconds,
        "usage": dict(response.usage),
        "details": dict(response.details),
    }
    failure, output = response.failure, response.output
    if failure is None and isinstance(output, Media):
        try:
            content = output.read()
        # The model's own code makes the bytes: what it raises fails this sample.
        except Exception as error:
            failure = describe(error)
        else:
            data["output"] = {
                "modality": output.modality,
                "name": output.name,
                "bytes": content,
            }
    elif failure is None and isinstance(output, Text):
        data["output"] = {"text": output.text}
    if failure is not None:
        data["failure"] = asdict(failure)
    return data


def unpack_response(data: Json) -> Response:
    """Build a response again."""
    failure = Failure(**data["failure"]) if "failure" in data else None
    output = _unpack_part(data["output"]) if "output" in data else None
    return Response(
        data["sample_id"], output, failure, data["seconds"], data["usage"], data["details"]
    )


def _pack_part(part: Part, ship: bool) -> Json:
    if isinstance(part, Text):
        return {"text": part.text}
    facts: dict[str, Json] = {"modality": part.modality, "name": part.name}
    if part.path is None or (ship and part.path.is_file()):
        facts["bytes"] = part.read()
    else:
        facts["path"] = str(part.path.absolute())
        facts["file"] = _state(part.path)
    return facts


def _unpack_part(data: Json) -> Part:
    if "text" in data:
        return Text(data["text"])
    kind = MEDIA_TYPES[data["modality"]]
    if "bytes" in data:
        content: bytes = data["bytes"]
        return kind(load=lambda: content, name=data["name"])  # type: ignore[return-value]
    path = Path(data["path"])
    if _state(path) != data["file"]:
        raise NotHereError(str(path))
    return kind(path=path, name=data["name"])  # type: ignore[return-value]


def _state(path: Path) -> list[int] | None:
    """Return a file's size and time of change; other machines may have another file at a path."""
    if not path.is_file():
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]

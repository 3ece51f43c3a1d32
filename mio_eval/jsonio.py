"""Strict JSON and whole files written atomically: temp file, fsync, rename."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .types import Json

# Made once: `json.dumps` makes a new encoder for each call with other than its default settings.
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_CANONICAL = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True).encode


def dumps(value: Json) -> str:
    """Return compact strict JSON (no NaN, no Infinity), keys in the order given."""
    return _COMPACT(value)


def canonical(value: Json) -> bytes:
    """Return JSON bytes with sorted keys, for hashing."""
    return _CANONICAL(value).encode()


def digest(value: Json) -> str:
    """Return the hex sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def write_atomic(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace `path` by the chunks, wholly or not at all, durably."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Json) -> None:
    """Write a value as indented strict JSON, atomically."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    write_atomic(path, [text.encode(), b"\n"])


def file_sha256(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clean_text(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text

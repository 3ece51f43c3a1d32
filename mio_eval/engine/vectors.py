"""Feature vectors of a task's samples: float32 in one append-only file a judge, hashed row by row.

`<task>/features.<judge>.f32` holds little-endian float32. The judge's line in annotations.jsonl
says where a sample's vectors begin, their shape and their sha256, so a torn or changed row is
found, and nothing has to be written twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from ..errors import RunError
from ..types import Json

Vectors = npt.NDArray[np.float32]

_DTYPE = np.dtype("<f4")
_HEX = 32  # digits kept of a row's sha256


def vector_file(folder: Path, judge: str) -> Path:
    """Return the file of a judge's vectors in a task's folder."""
    return folder / f"features.{judge}.f32"


class VectorWriter:
    """Appends vectors to a judge's file. Use as a context manager."""

    def __init__(self, folder: Path, judge: str) -> None:
        self.path = vector_file(folder, judge)
        self._handle: int | None = None
        self._size = 0

    def append(self, vectors: Vectors) -> Json:
        """Write the vectors of one sample; returns what finds them again.

        Raises ValueError for values that are not finite, RunError when the disk refuses them.
        """
        rows = np.ascontiguousarray(vectors, dtype=_DTYPE)
        if not np.isfinite(rows).all():
            raise ValueError("features hold values that are not finite")
        data = rows.tobytes()
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                self._size = os.fstat(self._handle).st_size
            written = 0
            while written < len(data):
                written += os.write(self._handle, data[written:])
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror}. Everything finished is kept; "
                "free space, then run the same command again"
            ) from error
        place = {"at": self._size, "shape": list(rows.shape), "sha256": _digest(data)}
        self._size += len(data)
        return place

    def __enter__(self) -> VectorWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            try:
                os.fsync(self._handle)
            finally:
                os.close(self._handle)


def is_place(value: Json) -> bool:
    """Tell whether a judge's value says where vectors are, instead of being a value itself."""
    return isinstance(value, dict) and set(value) == {"at", "shape", "sha256"}


def has_vectors(folder: Path, judge: str, place: Json) -> bool:
    """Tell whether the file holds what a judge's value says it does."""
    try:
        read_vectors(folder, judge, [place])
    except RunError:
        return False
    return True


def read_vectors(folder: Path, judge: str, places: Sequence[Json]) -> Vectors:
    """Read samples' vectors, float32 (n, …). Raises RunError when one is missing or was changed."""
    path = vector_file(folder, judge)
    shapes = {tuple(place["shape"]) for place in places}
    if len(shapes) > 1:
        raise RunError(
            f"{path}: vectors of several shapes {sorted(shapes)}; judge all outputs anew"
        )
    shape = shapes.pop() if shapes else (0,)
    found = np.empty((len(places), *shape), dtype=np.float32)
    size = int(np.prod(shape)) * _DTYPE.itemsize
    try:
        with path.open("rb") as file:
            for number, place in enumerate(places):
                file.seek(place["at"])
                data = file.read(size)
                if len(data) != size or _digest(data) != place["sha256"]:
                    raise RunError(
                        f"{path}: the vectors at byte {place['at']} are damaged; restore the file, "
                        "or delete it and run again"
                    )
                found[number] = np.frombuffer(data, dtype=_DTYPE).reshape(shape)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; restore it") from error
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_HEX]

"""The contract of an annotator, and how one is found by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import unknown
from ..plugins import entry_points
from ..types import Failure, Json, Part

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ENTRY_POINTS = "mio_eval.annotators"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotator says of one sample: a JSON value, or why it could not."""

    sample_id: str
    value: Json = None
    failure: Failure | None = None
    vectors: npt.NDArray[np.float32] | None = None
    """Features too large for JSON: stored in a file of their own, `value` then says where."""


class Annotator(ABC):
    """A judge. Its identity is part of the signature of every metric that reads it."""

    name: str
    targets: Mapping[str, Mapping[str, Part]] = MappingProxyType({})
    """Sample id → media the outputs are judged against; set before `annotate`."""

    @abstractmethod
    def identity(self) -> Json:
        """Name the judge model and its settings exactly."""

    @abstractmethod
    def annotate(self, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
        """Judge finished samples (records of samples.jsonl); media are relative to `run`."""

    def close(self) -> None:
        """Free the judge model."""


def get_annotator(name: str) -> Annotator:
    """Return the annotator called `name`. Raises UsageError for an unknown one."""
    entries = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name not in entries:
        raise unknown("annotator", name, entries)
    annotator: Annotator = entries[name].load()()
    return annotator

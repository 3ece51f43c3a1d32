"""The words that every part of mio-eval speaks: parts, samples, requests, responses, scores.

Nothing here imports anything heavy: media are references, decoded on demand by `mio_eval.media`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

Modality: TypeAlias = Literal["text", "image", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")
Json: TypeAlias = Any  # what json.loads returns


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str
    modality: Modality = field(default="text", init=False)


@dataclass(slots=True, eq=False)
class Media:
    """A lazy reference to an image, a sound or a video: a file, or bytes made on demand.

    Args:
        path: the file, when there is one.
        load: gives the encoded bytes when there is no file (a row of a Parquet table).
        name: what to call it in messages and prompts; the file name by default.
    """

    path: Path | None = None
    load: Callable[[], bytes] | None = field(default=None, repr=False)
    name: str = ""
    _sha256: str = field(default="", repr=False)

    modality = "image"  # overridden below

    def __post_init__(self) -> None:
        if (self.path is None) == (self.load is None):
            raise ValueError("Media needs exactly one of path and load")
        if not self.name and self.path is not None:
            self.name = self.path.name

    def read(self) -> bytes:
        """Return the encoded bytes. Raises OSError when the file cannot be read."""
        if self.load is not None:
            return self.load()
        assert self.path is not None
        return self.path.read_bytes()

    @property
    def sha256(self) -> str:
        """Hex sha256 of the encoded bytes, computed once."""
        if not self._sha256:
            if self.path is not None:
                with self.path.open("rb", buffering=0) as file:
                    self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                self._sha256 = hashlib.sha256(self.read()).hexdigest()
        return self._sha256

    @property
    def exists(self) -> bool:
        """Tell whether there is something to read, or was when it was hashed."""
        return bool(self._sha256) or self.path is None or self.path.is_file()


class Image(Media):
    """An encoded image."""

    __slots__ = ()
    modality = "image"


class Audio(Media):
    """An encoded sound."""

    __slots__ = ()
    modality = "audio"


class Video(Media):
    """An encoded video."""

    __slots__ = ()
    modality = "video"


Part: TypeAlias = Text | Image | Audio | Video
MEDIA_TYPES: dict[str, type[Media]] = {"image": Image, "audio": Audio, "video": Video}


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a data set.

    `inputs` are the named parts a prompt template may use; `cluster` is the unit of resampling
    (image, speaker, video).
    """

    id: str
    inputs: Mapping[str, Part]
    references: tuple[str, ...] = ()
    cluster: str = ""
    meta: Mapping[str, Json] = field(default_factory=dict)
    targets: Mapping[str, Part] = field(default_factory=dict)
    """Media the output is judged against (`image`, `audio`); never shown to the model."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked: parts in order, the wanted modality, and how to generate.

    `key` names the content of the request and of the model: equal keys may share a response.
    """

    sample_id: str
    parts: tuple[Part, ...]
    want: Modality
    settings: Mapping[str, Json] = field(default_factory=dict)
    seed: int = 0
    key: str = ""
    prepared: object = field(default=None, repr=False, compare=False)
    """What the backend's `prepare` made of the media ahead of time, or None."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a sample has no output. `stage` is data, decode, generate, annotate or score."""

    stage: str
    type: str
    message: str

    @classmethod
    def of(cls, stage: str, error: BaseException) -> Failure:
        """Describe an exception, keeping its message to one bounded line."""
        message = " ".join(str(error).split())[:500] or type(error).__name__
        return cls(stage, type(error).__name__, message)


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered to one request: an output part, or a failure."""

    sample_id: str
    output: Part | None = None
    failure: Failure | None = None
    seconds: float | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Json] = field(default_factory=dict)
    """What else is worth keeping with the sample: why the answer ended, log-probabilities …"""


@dataclass(frozen=True, slots=True)
class Capability:
    """A model turns any mix of `inputs` into `output`."""

    inputs: frozenset[Modality]
    output: Modality

    def covers(self, inputs: Sequence[Modality], output: Modality) -> bool:
        """Tell whether the model can do `inputs` → `output`."""
        return output == self.output and set(inputs) <= self.inputs

    def __str__(self) -> str:
        return f"{'+'.join(m for m in MODALITIES if m in self.inputs)} → {self.output}"


@dataclass(frozen=True, slots=True)
class Score:
    """The value of one metric on one task, with its interval, counts and definition."""

    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n_expected: int
    n_scored: int
    n_failed: int
    unit: str
    higher_is_better: bool
    signature: str
    primary: bool = False
    confidence: float = 0.95
    note: str = ""

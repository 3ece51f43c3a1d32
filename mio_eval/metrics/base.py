"""What a metric is: statistics per sample, a score from their sum, and a signature.

The idea is sacrebleu's (Post, 2018): when a score is a function of summed statistics, one
piece of code resamples, pairs and merges every metric.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..errors import UsageError, unknown
from ..types import Json, Modality

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Item:
    """One sample as a metric sees it: the output's text, references, what the judges said."""

    id: str
    text: str
    references: tuple[str, ...]
    annotations: Mapping[str, Json] = field(default_factory=dict)
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of n samples: `values` of shape (n, columns), and notes kept for reports."""

    values: Array
    details: Sequence[Json] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a metric that a user may choose: its values (none = any text) and default."""

    default: str
    choices: tuple[str, ...] = ()
    help: str = ""


class Metric(ABC):
    """A metric. Subclasses set the class attributes and three methods."""

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    range: ClassVar[tuple[float, float]]
    columns: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, Option]] = {}
    needs_split: ClassVar[bool] = False
    """The metric reads the references of the whole split before the first sample."""
    annotators: tuple[str, ...] = ()
    """Judges whose annotations the metric reads; `judges` holds their identities."""
    outputs: ClassVar[tuple[Modality, ...]] = ("text",)
    """The modalities of outputs the metric can score."""
    reads_likelihood: bool = False
    """The metric reads log-likelihoods of given options, so the model is asked for those."""
    whole_set: ClassVar[bool] = False
    """A score of the set (FID): rows are pseudo-values of this very set of samples, and a sample
    or a group of samples has no score of its own."""
    elsewhere: ClassVar[str] = ""
    """For a metric that cannot score files of predictions: what to do instead."""
    counts_references: ClassVar[bool] = False
    """The number of references a sample has changes the number, so the signature shows it."""

    def __init__(self, **settings: Any) -> None:
        for key, value in settings.items():
            if key not in self.options:
                raise unknown(f"option of metric {self.name}", key, self.options)
            choices = self.options[key].choices
            if choices and str(value) not in choices:
                raise unknown(f"{key} of metric {self.name}", str(value), choices)
        self.settings = {k: str(settings.get(k, o.default)) for k, o in self.options.items()}
        self.output: Modality = self.outputs[0]
        self.judges: dict[str, str] = {}

    def bind(self, output: Modality, judges: Mapping[str, str]) -> None:
        """Learn which modality is scored and who the judges are (role → identity)."""
        if output not in self.outputs:
            raise UsageError(
                f"metric {self.name} scores {' or '.join(self.outputs)}, "
                f"the task's output is {output}"
            )
        self.output = output
        self.judges = dict(judges)

    def unavailable(self) -> str | None:
        """Say why the metric cannot run here (Java, a package), or None when it can."""
        return None

    def prepare(self, references: Sequence[tuple[str, ...]]) -> None:
        """Read the references of the whole split (only called when `needs_split`)."""

    @abstractmethod
    def statistics(self, items: Sequence[Item]) -> Statistics:
        """Compute the statistics of samples; row i belongs to items[i].

        A row depends on its own item (and the split's references) alone.
        """

    @abstractmethod
    def score(self, sums: Array) -> Array:
        """Turn summed statistics of shape (…, columns) into scores of shape (…)."""

    def per_sample(self, values: Array) -> Array:
        """Score every sample by itself, shape (n,)."""
        return self.score(values)

    def keys(self) -> list[tuple[str, str]]:
        """List the signature's own keys in their fixed order."""
        return list(self.settings.items())

    def signature(self, n: int, references: str | None = None) -> str:
        """Build `name|key:value|…|v:VERSION`; `n` samples were scored, with so many references."""
        pairs = [*self.keys(), ("n", str(n))]
        if references is not None:
            pairs.append(("refs", references))
        pairs.append(("v", __version__))
        text = "|".join([self.name, *(f"{k}:{v}" for k, v in pairs)])
        return "".join(text.split())

    def no_interval(self, statistics: Array) -> str:
        """Say why these statistics give no interval, or "" where they do."""
        return ""

    def note(self, statistics: Array) -> str:
        """Say what a reader must know of these statistics (for example empty references)."""
        return ""


def mean_score(sums: Array, scale: float = 1.0) -> Array:
    """Score columns (sum, count) as a scaled mean; NaN where the count is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Array = scale * sums[..., 0] / sums[..., 1]
    return result


def need_references(name: str, items: Sequence[Item]) -> None:
    """Refuse items that have no reference at all."""
    for item in items:
        if not item.references:
            raise ValueError(f"{name}: sample {item.id} has no references; every sample needs one")

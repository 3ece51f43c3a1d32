"""What a task file may say. YAML holds data; every rule about it is here."""

from __future__ import annotations

import string
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..types import Modality

PLAIN = "plain"  # the prompt style every task has, for models without one of their own
SEPARATOR = "separator"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(_Strict):
    """A split: how many samples it officially has, and its own reader if it needs one."""

    expected: int | None = Field(gt=0)
    reader: str | None = None
    scored: bool = True
    """False when the answers are not public: the run writes a file for the evaluation server."""


class Hub(_Strict):
    """Where the data set lies on the Hugging Face hub, as Parquet files of one revision."""

    reader: str
    id: str
    revision: str
    files: dict[str, str]


class Dataset(_Strict):
    """Where samples come from, on disk and on the hub."""

    reader: str
    folder: str
    default_split: str
    splits: dict[str, Split]
    layout: str
    get: str
    hub: Hub | None = None
    licence: str
    homepage: str

    @model_validator(mode="after")
    def _splits_exist(self) -> Dataset:
        if self.default_split not in self.splits:
            raise ValueError(
                f"default_split {self.default_split!r} is not one of the splits "
                f"{', '.join(self.splits)}"
            )
        if self.hub and (extra := set(self.hub.files) - set(self.splits)):
            raise ValueError(
                f"hub.files names splits that do not exist: {', '.join(sorted(extra))}"
            )
        return self


class Published(_Strict):
    """Which published rows stand beside this task's scores (results/published/)."""

    table: str
    dataset: str
    split: str | None = None
    metrics: dict[str, str]
    comparable_split: str


class Protocol(_Strict):
    """Where the protocol comes from, and what its source leaves open."""

    source: str
    notes: tuple[str, ...] = ()


class Likelihood(_Strict):
    """How options are put to a model whose log-likelihoods choose (`choice_acc.rule=loglik-…`)."""

    prompts: dict[str, str]
    continuation: str
    """An option after the prompt, with `{choice}` for its text."""

    @model_validator(mode="after")
    def _has_fields(self) -> Likelihood:
        if PLAIN not in self.prompts:
            raise ValueError("prompts needs a 'plain' style, for models without one of their own")
        if placeholders(self.continuation) != ["choice"]:
            raise ValueError("continuation needs {choice} exactly once, and no other field")
        return self


class TaskFile(_Strict):
    """A task file, whole."""

    name: Name
    version: int = Field(ge=1)
    title: str
    inputs: tuple[Modality, ...] = Field(min_length=1)
    output: Modality
    cluster: Literal["image", "speaker", "video", "subject", "sample"]
    dataset: Dataset
    prompts: dict[str, str]
    likelihood: Likelihood | None = None
    generation: dict[str, Any] = {}
    metrics: tuple[str, ...] = Field(min_length=1)
    primary: str
    metric_options: dict[str, dict[str, Any]] = {}
    judges: dict[str, str] = {}
    """Role → the model that the protocol judges with."""
    substitutes: dict[str, str] = {}
    """Metric → the metric that stands in, under its own name, when its judge is left out."""
    frames: str | None = None
    """How frames are taken from a video (see `mio_eval.media.frames`)."""
    published: tuple[Published, ...] = ()
    protocol: Protocol

    @field_validator("published", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        """Take a single table without a list around it."""
        return [value] if isinstance(value, dict) else value or ()

    @model_validator(mode="after")
    def _consistent(self) -> TaskFile:
        if self.primary not in self.metrics:
            raise ValueError(
                f"primary {self.primary!r} is not one of metrics: {', '.join(self.metrics)}"
            )
        if extra := set(self.metric_options) - set(self.metrics):
            raise ValueError(f"metric_options for metrics not listed: {', '.join(sorted(extra))}")
        if extra := {*self.substitutes, *self.substitutes.values()} - set(self.metrics):
            raise ValueError(f"substitutes for metrics not listed: {', '.join(sorted(extra))}")
        if PLAIN not in self.prompts:
            raise ValueError("prompts needs a 'plain' style, for models without one of their own")
        for style, template in self.prompts.items():
            self._check_template(f"prompts.{style}", template)
        for style, template in (self.likelihood.prompts if self.likelihood else {}).items():
            self._check_template(f"likelihood.prompts.{style}", template)
        return self

    def _check_template(self, where: str, template: str) -> None:
        try:
            fields = placeholders(template)
        except ValueError as error:
            raise ValueError(f"{where}: {error}; write {{{{ and }}}} for braces") from error
        for field in fields:
            if not field.isidentifier():
                raise ValueError(f"{where}: {{{field}}} is not a plain name")
        for media in self.inputs:
            if media != "text" and fields.count(media) != 1:
                raise ValueError(f"{where}: needs {{{media}}} exactly once")


def placeholders(template: str) -> list[str]:
    """List the `{name}` fields of a template in order. Raises ValueError for malformed braces."""
    fields = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if spec or conversion:
            raise ValueError(f"format codes are not allowed in {{{name}}}")
        fields.append(name)
    return fields

"""What a kind of model is: how a checkpoint is recognised, loaded and asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from ...types import Capability, Json, Modality, Request, Response
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a model is and what its config says, read without loading any weight.

    Args:
        pretrained: a folder or a hub id.
        revision: the hub revision asked for.
        config: config.json (transformers) or model_index.json (diffusers).
        diffusers: config is a pipeline's model_index.json.
    """

    pretrained: str
    revision: str | None
    config: Mapping[str, Json]
    diffusers: bool = False

    @property
    def model_type(self) -> str:
        """The config's `model_type`, or the pipeline's class name."""
        return str(self.config.get("_class_name" if self.diffusers else "model_type", ""))

    @property
    def architectures(self) -> tuple[str, ...]:
        """The class names the weights were saved from."""
        return tuple(self.config.get("architectures") or ())


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load: every field is a `--model-args` key of the same name."""

    dtype: str = "auto"
    device: str = ""
    device_map: str = ""
    attn: str = ""
    adapter: str = ""
    quantization: str = ""
    trust_remote_code: bool = False
    deterministic: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    """Arguments that one family alone takes (`Family.arguments`)."""


class Family(ABC):
    """One kind of model. Instances are cheap until `load`."""

    kind: ClassVar[str]
    """What `--model-args kind=…` calls it."""
    say: Callable[[str], None] = staticmethod(lambda text: None)
    """Takes lines worth showing; set before `load`."""
    arguments: ClassVar[Mapping[str, str]] = {}
    """`--model-args` that this family alone takes, with a line of help each."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        self.checkpoint = checkpoint
        self.options = options

    @classmethod
    @abstractmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        """Tell from the config alone whether this family runs the checkpoint."""

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[Capability]:
        """What the checkpoint can do, known before anything is loaded."""

    def identity(self) -> dict[str, Json]:
        """Return what, beside the checkpoint and the dtype, may change an answer."""
        return {}

    @abstractmethod
    def load(self) -> None:
        """Load weights and processor, once. Raises UsageError when they cannot be had."""

    def prepare(self, request: Request) -> object:
        """Decode a request's media; called from several threads, before its turn."""
        return None

    def cost(self, request: Request) -> float | None:
        """Estimate the work of a request, or None for the backend's own estimate."""
        return None

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answer one batch. Raises OutOfMemory before anything of a forward pass is yielded."""

    def close(self) -> None:
        """Free weights and memory."""


@runtime_checkable
class ScoresText(Protocol):
    """A family that gives log-likelihoods of text."""

    @property
    def scores_after(self) -> frozenset[Modality]:
        """Modalities of the prompts it scores text after; empty when this checkpoint cannot."""

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Answer requests in the order given, each once."""

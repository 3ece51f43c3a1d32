"""The contract of a model backend, and the per-sample boundary every simple backend shares."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType

from ..media.decode import DecodeError
from ..types import Capability, Failure, Json, Modality, Part, Request, Response, Text


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What makes two models the same: everything that may change an answer."""

    backend: str
    name: str
    version: str
    revision: str = ""
    dtype: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the identity for run.json and content keys."""
        return asdict(self)


class OutOfMemory(Exception):  # noqa: N818  # the field's name for it
    """A batch did not fit into the device's memory; a smaller one may."""


class Backend(ABC):
    """A model. Implement `identity` and either `generate` or `answer`."""

    name: str
    capabilities: frozenset[Capability]
    prompt_styles: tuple[str, ...] = ()
    """Prompt styles the model prefers, best first; `plain` is always tried last."""
    reads_media = True
    """False for backends that answer without opening the sample's media."""
    by_sample = False
    """True for backends that answer by sample id; their responses are not shared by content."""
    allow_partial = False
    """For `by_sample` backends: a sample without an answer is a failed sample, not an error."""
    judges: Mapping[str, str] = MappingProxyType({})
    """Judges the backend prefers to those of a task's protocol (the starter's are its own)."""
    streams = False
    """True when `generate` takes a lazy iterable and keeps several requests under way by itself
    (a server's client): the engine then feeds it continuously instead of in batches."""
    batch_size: int | None = None
    """Requests the backend wants at once when the user names no batch size."""
    deterministic = False
    """Set by the engine before `load`: the backend must then forbid what differs between runs."""
    say: Callable[[str], None] = staticmethod(lambda text: None)
    """Takes lines worth showing, such as what is being fetched."""

    def can(self, inputs: Sequence[Modality], output: Modality) -> bool:
        """Tell whether the model turns these inputs into this output."""
        return any(capability.covers(inputs, output) for capability in self.capabilities)

    @abstractmethod
    def identity(self) -> ModelIdentity:
        """Name the model exactly."""

    def preflight(self, known: Collection[str], wanted: Collection[str]) -> None:
        """Check sample ids before the first request (called for `by_sample` backends).

        `known` are the ids of all splits to run, `wanted` those that --limit leaves.
        Raises UsageError.
        """

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Load what a task with these modalities needs. Raises UsageError when it cannot be had."""

    def prepare(self, request: Request) -> object:
        """Decode a request's media ahead of its turn; the result comes back as `prepared`.

        Called from several threads at once, so it must touch no model state. None (the default)
        means that `generate` does it all. Any exception fails that sample alone.
        """
        return None

    def cost(self, request: Request) -> float:
        """Estimate how much work a request is (tokens, pixels, seconds: any one unit).

        Requests of like cost go into one batch, the dearest first.
        """
        return float(sum(len(part.text) for part in request.parts if isinstance(part, Text)))

    def answer(self, request: Request) -> Part | Response:
        """Answer one request: a part, or a response where there are details to keep with it.

        Any exception fails that sample alone.
        """
        raise TypeError(f"backend {self.name} implements neither generate nor answer")

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer requests, in any order, each once, as they finish.

        Raises OutOfMemory when the batch is too large: the engine halves what is unanswered.
        """
        for request in requests:
            start = time.perf_counter()
            try:
                output = self.answer(request)
            # The per-sample boundary: whatever one sample does, the others are answered.
            except Exception as error:
                yield Response(request.sample_id, failure=describe(error))
                continue
            seconds = time.perf_counter() - start
            if isinstance(output, Response):
                yield replace(output, seconds=seconds)
            else:
                yield Response(request.sample_id, output, seconds=seconds)

    def spent(self, totals: Mapping[str, float]) -> Mapping[str, Json]:
        """What run.json's `usage` says beside the token counts: `totals`, summed over tasks."""
        return {}

    def close(self) -> None:
        """Free what the model holds."""


def describe(error: BaseException) -> Failure:
    """Put an exception of one sample under the stage it belongs to."""
    if isinstance(error, DecodeError):
        return Failure.of("decode", error)
    if isinstance(error, FileNotFoundError):
        return Failure.of("data", error)
    return Failure.of("generate", error)

"""What a backend adds to score given text: log-likelihoods of continuations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import UsageError
from ..types import Failure, Modality, Part
from .base import Backend


@dataclass(frozen=True, slots=True)
class LoglikelihoodRequest:
    """How likely is `continuation` after `context`? An empty context stands for the model's BOS.

    The two are tokenized as one string; the continuation's tokens are those after the tokens of
    the context alone, whose trailing spaces count to the continuation (as in lm-eval).

    `parts` is a prompt with media in it, as in a `Request`; `context` is then empty.
    """

    context: str
    continuation: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class LoglikelihoodResponse:
    """Natural log of the continuation's probability, and whether greedy decoding would give it."""

    logprob: float = math.nan
    greedy: bool = False
    failure: Failure | None = None
    tokens: int | None = None
    """How many tokens the continuation has (for the mean over tokens)."""


@runtime_checkable
class SupportsLoglikelihood(Protocol):
    """A backend that scores text. Backends that cannot do it do not have the method.

    One that also takes media in the prompt has `loglikelihood_inputs`.
    """

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Answer requests in the order given, each once, as they are finished."""


def loglikelihood_inputs(backend: Backend) -> frozenset[Modality]:
    """Return the modalities a backend scores text after; empty when it scores no text."""
    if not isinstance(backend, SupportsLoglikelihood):
        return frozenset()
    return frozenset(getattr(backend, "loglikelihood_inputs", ("text",)))


def need_loglikelihood(backend: Backend, task: str) -> SupportsLoglikelihood:
    """Return the backend as one that scores text. Raises UsageError when it cannot."""
    if isinstance(backend, SupportsLoglikelihood):
        return backend
    raise UsageError(
        f"model {backend.name} cannot run task {task}: it needs loglikelihood (log-probabilities "
        "of given text), which this model does not give; drop the task or choose another model"
    )

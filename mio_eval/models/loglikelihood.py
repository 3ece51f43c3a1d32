"""What a backend adds to score given text: log-likelihoods of continuations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..errors import MioEvalError, UsageError
from ..types import Failure, Modality, Part
from .base import Backend, OutOfMemory, describe


@dataclass(frozen=True, slots=True)
class LoglikelihoodRequest:
    """How likely is `continuation` after `context`? An empty context stands for the model's BOS.

    The two are tokenized as one string; the continuation's tokens are those after the tokens of
    the context alone, whose trailing spaces count to the continuation (as in lm-eval).

    `parts` is a prompt with media in it, as in a `Request`; `context` is then empty. The options
    of one question share one `parts` object, so that a backend may encode the prompt once. A
    backend that puts the prompt into a chat turn lets the continuation, as it is, begin its answer.
    """

    context: str
    continuation: str
    parts: tuple[Part, ...] = ()
    prepared: object = field(default=None, repr=False, compare=False)
    """What the backend's `prepare` made of the media ahead of time, or None."""


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


def ask(
    backend: SupportsLoglikelihood, requests: Sequence[LoglikelihoodRequest], halve: bool = True
) -> Iterator[LoglikelihoodResponse]:
    """Yield one response a request, in order. What breaks a batch is found one by one.

    Args:
        backend: the model.
        requests: what to ask; one batch, as far as the model is concerned.
        halve: ask for half at a time when a batch does not fit into memory; otherwise
            OutOfMemory goes to the caller, who can.
    """
    if not requests:
        return
    done, step = 0, 1
    failure = Failure("generate", "NoResponse", "the model gave no response to this request")
    try:
        for response in itertools.islice(backend.loglikelihood(requests), len(requests)):
            yield _checked(response)
            done += 1
    except MioEvalError:
        raise
    except OutOfMemory as error:
        if not halve:
            raise
        failure = describe(error)
        step = (len(requests) - done + 1) // 2
    # The boundary of a batch: whatever one request does, the others are answered.
    except Exception as error:
        failure = describe(error)
    if done < len(requests) and len(requests) == 1:
        yield LoglikelihoodResponse(failure=failure)
        return
    for start in range(done, len(requests), step):
        yield from ask(backend, requests[start : start + step], halve)


def _checked(response: LoglikelihoodResponse) -> LoglikelihoodResponse:
    """Turn what is no log-probability into a failure."""
    if response.failure is not None:
        return LoglikelihoodResponse(failure=response.failure)
    logprob = float(response.logprob)
    if not math.isfinite(logprob):
        failure = Failure("generate", "NotFinite", f"the log-probability is {logprob}")
        return LoglikelihoodResponse(failure=failure)
    tokens = None if response.tokens is None else int(response.tokens)
    return LoglikelihoodResponse(logprob, bool(response.greedy), tokens=tokens)

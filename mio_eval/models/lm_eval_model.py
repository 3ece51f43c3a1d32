"""A backend as a model of lm-eval. Import it only where lm-eval is installed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.model import LM

from ..engine.batching import cost_of
from ..engine.cache import ResponseCache
from ..engine.generate import model_key
from ..engine.hangs import HungError, Watched, within
from ..errors import RunError, UsageError
from ..jsonio import clean_text, digest
from ..types import Failure, Json, Request, Response, Text
from .base import Backend, OutOfMemory, describe
from .loglikelihood import (
    LoglikelihoodRequest,
    LoglikelihoodResponse,
    SupportsLoglikelihood,
    ask,
    need_loglikelihood,
)

_MAX_NEW_TOKENS = 256  # lm-eval's default


@dataclass(frozen=True, slots=True)
class Answer:
    """One request of lm-eval, answered: under which key, and whether from the cache."""

    instance: Any
    key: str
    response: LoglikelihoodResponse
    cached: bool


class BackendLM(LM):  # type: ignore[misc]  # lm-eval has no types
    """Answers lm-eval's requests with one of our backends, each content once.

    Args:
        backend: the model.
        cache: where answers are found again; every one is put there as soon as it is finished.
        seed: for generation.
        batch_size: requests handed to the backend at once, unless it takes a stream.
        timeout: seconds without any response after which what was asked has failed; None: no limit.
        answered: told of every answer to a log-likelihood request as it comes, in order.
    """

    def __init__(
        self,
        backend: Backend,
        cache: ResponseCache | None = None,
        *,
        seed: int = 0,
        batch_size: int = 64,
        timeout: float | None = None,
        answered: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        super().__init__()
        self._backend = backend
        self._cache = cache
        self._seed = seed
        self._batch_size = batch_size
        self._timeout = timeout
        self._answered = answered
        self._model_key = model_key(backend, backend.deterministic)

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Return (log-probability, greedy) of each request; NaN where the model failed."""
        backend = need_loglikelihood(self._backend, _task_of(requests))
        if self._timeout is not None:
            backend = Watched(backend, self._timeout)
        results = []
        instances = iter(requests)
        while batch := list(itertools.islice(instances, self._batch_size)):
            for answer in self._score(backend, batch):
                self._answered(answer)
                results.append((answer.response.logprob, answer.response.greedy))
        return results

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """Refuse: no task of mio-eval measures perplexity."""
        raise UsageError(
            f"task {_task_of(requests)} needs loglikelihood_rolling (perplexity of whole texts), "
            "which mio-eval's models do not give; choose a multiple-choice or generation task"
        )

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Generate text up to the first stop string. Raises RunError when the model fails."""
        asked = [self._generation(number, instance) for number, instance in enumerate(requests)]
        texts: dict[str, str] = {}
        missing: dict[str, Request] = {}
        for request in asked:
            found = self._cache.get(request.key) if self._cache is not None else None
            if found is not None:
                texts[request.key] = found["output"]["text"]
            else:
                missing.setdefault(request.key, request)
        if missing:
            texts.update(self._generate({r.sample_id: r for r in missing.values()}))
        return [cut(texts[request.key], request.settings["stop"]) for request in asked]

    def _score(self, backend: SupportsLoglikelihood, batch: Sequence[Any]) -> Iterator[Answer]:
        """Answer a batch in order, from the cache where it can; equal requests are asked once."""
        wanted: dict[str, LoglikelihoodRequest] = {}
        known: dict[str, LoglikelihoodResponse] = {}
        keys = []
        for instance in batch:
            context, continuation = instance.args
            key = digest({"model": self._model_key, "loglikelihood": [context, continuation]})
            keys.append(key)
            found = self._cache.get(key) if self._cache is not None else None
            if found is not None:
                known[key] = LoglikelihoodResponse(*found["output"]["loglikelihood"])
            else:
                wanted.setdefault(key, LoglikelihoodRequest(context, continuation))
        cached = set(known)
        fresh = zip(wanted, ask(backend, list(wanted.values())), strict=True)
        for instance, key in zip(batch, keys, strict=True):
            while key not in known:
                name, response = next(fresh)
                known[name] = response
                self._keep(name, response)
            yield Answer(instance, key, known[key], key in cached)

    def _keep(self, key: str, response: LoglikelihoodResponse) -> None:
        if self._cache is not None and response.failure is None:
            output = {"loglikelihood": [response.logprob, response.greedy]}
            self._cache.put(key, {"output": output, "seconds": None})

    def _generation(self, number: int, instance: Any) -> Request:
        context, given = instance.args
        settings = dict(given)
        stop = settings.pop("until", None) or []
        settings["stop"] = [stop] if isinstance(stop, str) else list(stop)
        settings["max_new_tokens"] = settings.pop("max_gen_toks", _MAX_NEW_TOKENS)
        content: Json = {
            "model": self._model_key,
            "parts": [{"text": context}],
            "want": "text",
            "settings": settings,
            "seed": self._seed,
            "repeat": 0,
        }
        return Request(str(number), (Text(context),), "text", settings, self._seed, digest(content))

    def _generate(self, requests: dict[str, Request]) -> dict[str, str]:
        """Ask the model; what it finished is in the cache even when a request fails."""
        texts: dict[str, str] = {}
        failure: Failure | None = None
        for response in self._responses(list(requests.values())):
            request = requests.get(response.sample_id)
            if request is None:
                continue
            if not isinstance(response.output, Text):
                failure = response.failure or Failure("generate", "WrongModality", "no text")
                continue
            texts[request.key] = clean_text(response.output.text)
            if self._cache is not None:
                entry = {"output": {"text": texts[request.key]}, "seconds": response.seconds}
                self._cache.put(request.key, entry)
        if len(texts) < len(requests):
            why = f"{failure.type}: {failure.message}" if failure else "no response"
            raise RunError(f"{len(requests) - len(texts)} texts were not generated ({why})")
        return texts

    def _responses(self, requests: list[Request]) -> Iterator[Response]:
        """Generate in batches, the dearest requests first; a batch that does not fit is halved.

        Raises RunError when the model hangs.
        """
        if self._backend.streams:
            yield from self._batch(requests)
            return
        waiting = sorted(requests, key=lambda r: -cost_of(r, self._backend.cost))
        size = self._batch_size
        while waiting:
            batch, waiting = waiting[:size], waiting[size:]
            unanswered = {request.sample_id: request for request in batch}
            try:
                for response in self._batch(batch):
                    unanswered.pop(response.sample_id, None)
                    yield response
            except OutOfMemory as error:
                if len(batch) == 1:
                    yield Response(batch[0].sample_id, failure=describe(error))
                    continue
                size = (len(batch) + 1) // 2
                waiting = [*unanswered.values(), *waiting]

    def _batch(self, requests: list[Request]) -> Iterator[Response]:
        """Generate, within the time limit. Raises RunError when the model hangs."""
        if self._timeout is None:
            yield from self._backend.generate(requests)
            return
        try:
            yield from within(self._timeout, lambda: self._backend.generate(requests))
        except HungError as error:
            raise RunError(f"the model gave {error}; what was finished is kept") from error


def cut(text: str, stops: Sequence[str]) -> str:
    """Return the text before the first of the stop strings."""
    found = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def _task_of(requests: Sequence[Any]) -> str:
    return str(requests[0].task_name) if requests else "of lm-eval"

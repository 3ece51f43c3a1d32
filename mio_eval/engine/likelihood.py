"""Multiple choice by likelihood: which option does the model find most likely after the prompt?

A request then carries its options (`CONTINUATIONS` in its settings, so in its content key), and its
response's text holds what the model gave for each, as JSON. Journal, cache, time-outs and
resumption are those of any request; a metric whose `reads_likelihood` is true reads the text.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import UsageError
from ..jsonio import dumps
from ..metrics.base import Metric
from ..models.base import Backend
from ..models.loglikelihood import (
    LoglikelihoodRequest,
    LoglikelihoodResponse,
    ask,
    loglikelihood_inputs,
    need_loglikelihood,
)
from ..tasks import Task
from ..types import MODALITIES, Failure, Json, Request, Response, Sample, Text

TEMPLATE = "continuation"  # setting of a task: how an option follows the prompt
CONTINUATIONS = "continuations"  # setting of a request: the options to score
_AT_ONCE = 16  # requests taken at once from a stream


def for_likelihood(task: Task, metrics: Sequence[Metric], backend: Backend) -> Task:
    """Return the task as it is asked: by likelihood when its metrics read that, else unchanged.

    Raises UsageError where the task has no such prompt, other metrics read text, or the model
    cannot score text after the task's inputs.
    """
    reading = [metric for metric in metrics if metric.reads_likelihood]
    if not reading:
        return task
    setting = f"{reading[0].name}.rule={reading[0].settings.get('rule', '')}"
    spec = task.file.likelihood
    if spec is None:
        raise UsageError(
            f"task {task.name}: {setting} reads log-likelihoods, for which {task.path} states no "
            "prompt; choose another rule, or add 'likelihood' to a copy of the task file"
        )
    if others := [metric.name for metric in metrics if not metric.reads_likelihood]:
        raise UsageError(
            f"task {task.name}: {setting} reads log-likelihoods, but {', '.join(others)} reads "
            "generated text; choose one kind"
        )
    given = loglikelihood_inputs(backend)
    if missing := [m for m in MODALITIES if m in task.file.inputs and m not in given]:
        can = "+".join(m for m in MODALITIES if m in given)
        gives = f"gives them after {can} only" if can else "gives none"
        raise UsageError(
            f"model {backend.name} cannot run task {task.name} with {setting}: it needs "
            f"loglikelihood (log-probabilities of given text) after {'+'.join(missing)}, and this "
            f"model {gives}; choose another rule or another model"
        )
    changes = {"prompts": dict(spec.prompts), "generation": {TEMPLATE: spec.continuation}}
    return replace(task, file=task.file.model_copy(update=changes))


def request_settings(settings: Mapping[str, Json], sample: Sample) -> Mapping[str, Json]:
    """Put a sample's options into the settings of its request, where options are scored.

    Raises ValueError when the sample has none.
    """
    if TEMPLATE not in settings:
        return settings
    choices = sample.meta.get("choices")
    if not choices:
        raise ValueError("the sample has no options to score")
    filled = dict(settings)
    template = filled.pop(TEMPLATE)
    filled[CONTINUATIONS] = [template.replace("{choice}", str(choice)) for choice in choices]
    return filled


def respond(backend: Backend, requests: Iterable[Request]) -> Iterator[Response]:
    """Answer requests with a backend: generate, or score options where requests carry them.

    All requests are of one task. Raises OutOfMemory for a batch of several that is too large.
    """
    if not isinstance(requests, Sequence):
        stream = iter(requests)
        first = list(itertools.islice(stream, 1))
        requests = itertools.chain(first, stream)
        if not first or CONTINUATIONS not in first[0].settings:
            yield from backend.generate(requests)
            return
        while batch := list(itertools.islice(requests, _AT_ONCE)):
            yield from _score(backend, batch)
    elif not requests or CONTINUATIONS not in requests[0].settings:
        yield from backend.generate(requests)
    else:
        yield from _score(backend, requests)


def _score(backend: Backend, requests: Sequence[Request]) -> Iterator[Response]:
    """Score the options of a batch of requests; a sample is finished when all its options are."""
    wanted: list[LoglikelihoodRequest] = []
    options: list[list[str]] = []
    for request in requests:
        texts = [part.text for part in request.parts if isinstance(part, Text)]
        only_text = len(texts) == len(request.parts)
        different = list(dict.fromkeys(request.settings[CONTINUATIONS]))
        options.append(different)
        wanted += [
            LoglikelihoodRequest(
                context="".join(texts) if only_text else "",
                continuation=continuation,
                parts=() if only_text else request.parts,
                prepared=request.prepared,
            )
            for continuation in different
        ]
    scorer = need_loglikelihood(backend, "multiple choice")
    responses = ask(scorer, wanted, halve=len(requests) == 1)
    for request, different in zip(requests, options, strict=True):
        start = time.perf_counter()
        found = dict(zip(different, itertools.islice(responses, len(different)), strict=True))
        yield _answer(request, found, time.perf_counter() - start)


def _answer(
    request: Request, found: Mapping[str, LoglikelihoodResponse], seconds: float
) -> Response:
    failure = next((r.failure for r in found.values() if r.failure is not None), None)
    if failure is not None:
        return Response(request.sample_id, failure=failure)
    scored = [found[continuation] for continuation in request.settings[CONTINUATIONS]]
    if any(response.tokens is None or response.tokens < 1 for response in scored):
        failure = Failure("generate", "NoTokens", "an option came back without its token count")
        return Response(request.sample_id, failure=failure)
    value = {
        "options": list(request.settings[CONTINUATIONS]),
        "sum": [response.logprob for response in scored],
        "tokens": [response.tokens for response in scored],
        "greedy": [response.greedy for response in scored],
    }
    return Response(request.sample_id, Text(dumps({"loglikelihood": value})), seconds=seconds)

"""What the speech and image families share: the per-sample boundary, seeds, arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ...errors import MioEvalError, UsageError
from ...jsonio import canonical
from ...types import Media, Part, Request, Response, Text
from ..base import OutOfMemory, describe
from .loading import memory_guard
from .settings import request_seed


@contextmanager
def forward_pass() -> Iterator[None]:
    """Run a model without gradients; a device that is full raises OutOfMemory."""
    import torch

    with memory_guard(), torch.inference_mode():
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generators of every device, and put them back as they were afterwards."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def one_by_one(
    requests: Sequence[Request], answer: Callable[[Request], Part]
) -> Iterator[Response]:
    """Answer requests alone, each under its own seed, so that none depends on its neighbours.

    An exception fails its sample; OutOfMemory and UsageError go up.
    """
    for request in requests:
        start = time.perf_counter()
        try:
            with seeded(request_seed(request)), forward_pass():
                output = answer(request)
        except (OutOfMemory, MioEvalError):
            raise
        # The per-sample boundary: whatever one sample does, the others are answered.
        except Exception as error:
            yield Response(request.sample_id, failure=describe(error))
            continue
        yield Response(request.sample_id, output, seconds=time.perf_counter() - start)


def together(
    requests: Sequence[Request], answer: Callable[[Sequence[Request]], Sequence[Part | Exception]]
) -> Iterator[Response]:
    """Answer requests of equal settings in one forward pass; after an error, one by one.

    `answer` may give an exception in the place of one part: that sample fails. OutOfMemory and
    UsageError go up before anything is yielded.
    """
    if not requests:
        return
    start = time.perf_counter()
    try:
        with seeded(request_seed(requests[0])), forward_pass():
            outputs = answer(requests)
    except (OutOfMemory, MioEvalError):
        raise
    # One bad sample must not cost its batch: which one it is shows when they run alone.
    except Exception as error:
        if len(requests) == 1:
            yield Response(requests[0].sample_id, failure=describe(error))
        else:
            for request in requests:
                yield from together([request], answer)
        return
    seconds = (time.perf_counter() - start) / len(requests)
    for request, output in zip(requests, outputs, strict=True):
        if isinstance(output, Exception):
            yield Response(request.sample_id, failure=describe(output))
        else:
            yield Response(request.sample_id, output, seconds=seconds)


def alike(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Split requests into lists of equal settings, in the order in which these first appear."""
    groups: dict[bytes, list[Request]] = {}
    for request in requests:
        groups.setdefault(canonical(dict(request.settings)), []).append(request)
    yield from groups.values()


def words_of(request: Request, kind: str) -> str:
    """Return a request's text. Raises ValueError when it is blank, or media come with it."""
    for part in request.parts:
        if isinstance(part, Media):
            raise ValueError(f"a model of kind {kind} reads text alone, got {part.modality}")
    text = "".join(part.text for part in request.parts if isinstance(part, Text))
    if not text.strip():
        raise ValueError("the text is empty")
    return text


def decimal(arguments: Mapping[str, str], name: str, default: float, least: float = 0.0) -> float:
    """Read a number from `--model-args`. Raises UsageError unless it is at least `least`."""
    if name not in arguments:
        return default
    try:
        value = float(arguments[name])
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise UsageError(f"{name}={arguments[name]!r}, expected a number from {least:g} up")
    return value


def choice(arguments: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    """Read one of several words from `--model-args`; the first is the default."""
    value = arguments.get(name, known[0])
    if value not in known:
        raise UsageError(f"{name}={value!r}, expected {' or '.join(known)}")
    return value

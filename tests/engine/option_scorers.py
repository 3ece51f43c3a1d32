"""Backends that score options, named on the command line as engine.option_scorers:…"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterator, Sequence

from mio_eval.models.base import Backend, ModelIdentity, OutOfMemory
from mio_eval.models.loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from mio_eval.types import Capability, Failure, Media

ALL = frozenset({"text", "image", "audio"})


def shown(request: LoglikelihoodRequest) -> str:
    """The prompt as one string, media by content."""
    parts = (p.sha256 if isinstance(p, Media) else p.text for p in request.parts)
    return request.context or "|".join(parts)


def value_of(request: LoglikelihoodRequest) -> tuple[float, int]:
    """A log-probability and a number of tokens that follow from the content alone."""
    found = hashlib.sha256(f"{shown(request)}→{request.continuation}".encode()).digest()
    return -1 - found[0] / 16, len(request.continuation.split())


class Options(Backend):
    """Scores options after text, images and sounds; appends each it scores to the file `log`.

    Args:
        log: the file of scored options.
        delay: seconds an option takes.
        fits: options that fit into memory at once.
        broken: an option that cannot be scored.
        nan: an option whose log-probability is not a number.
    """

    name = "options"
    capabilities = frozenset({Capability(ALL, "text")})
    loglikelihood_inputs = ALL

    def __init__(self, log: str, delay: str = "0", fits: str = "1000", **odd: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._delay = float(delay)
        self._fits = int(fits)
        self.odd = odd

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "options", "1")

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        if len(requests) > self._fits:
            raise OutOfMemory(f"{len(requests)} options do not fit")
        for request in requests:
            time.sleep(self._delay)
            option = request.continuation.strip()
            if option == self.odd.get("raises"):
                raise ArithmeticError("cannot")
            os.write(self._log, f"{option}\n".encode())
            logprob, tokens = value_of(request)
            if option == self.odd.get("broken"):
                failure = Failure("generate", "ValueError", "broken option")
                yield LoglikelihoodResponse(failure=failure)
            elif option == self.odd.get("nan"):
                yield LoglikelihoodResponse(math.nan, tokens=1)
            else:
                counted = None if self.odd.get("tokens") == "no" else tokens
                yield LoglikelihoodResponse(logprob, tokens=counted)

    def close(self) -> None:
        os.close(self._log)


class TextOnly(Options):
    """Scores options after text alone."""

    loglikelihood_inputs = frozenset({"text"})


class Mute(Backend):
    """Scores nothing."""

    name = "mute"
    capabilities = frozenset({Capability(ALL, "text")})

    def __init__(self, **ignored: str) -> None:
        pass

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "mute", "1")

"""Log-likelihoods of given text, from a server's /completions with `echo` and `logprobs`.

vLLM gives the prompt's own log-probabilities so. llama.cpp ignores `echo`, SGLang echoes without
them, and hosted services refuse it: all this is found out at the first request, and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import MioEvalError, UsageError
from ...types import Failure, Json
from ..base import describe
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from .answers import Answer, parse_json, read_usage
from .backend import OpenAI
from .calls import Call, json_call
from .faults import Censor, Fault
from .loop import Feed

if TYPE_CHECKING:
    from .client import Client


@dataclass(frozen=True, slots=True)
class Scored:
    """The tokens of an echoed prompt, with log-probabilities (None for the first)."""

    tokens: list[str]
    logprobs: list[float | None]
    best: list[float | None]
    """The highest log-probability at each place; None (then nothing counts as greedy) where the
    server states none."""


class ScoringOpenAI(OpenAI):
    """The backend where the API scores given text."""

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Answer in order. Raises UsageError when the server cannot score a prompt."""
        feed = Feed(self._loop(), self._score, self.options.max_concurrency)
        ready: dict[int, LoglikelihoodResponse] = {}
        following = 0
        for index, response in feed.run(enumerate(requests)):
            ready[index] = response
            while following in ready:
                yield ready.pop(following)
                following += 1

    async def _score(
        self, numbered: tuple[int, LoglikelihoodRequest]
    ) -> tuple[int, LoglikelihoodResponse]:
        index, request = numbered
        try:
            client = await self._connect()
            response = await self._loglikelihood(client, request)
        except MioEvalError:
            raise
        except Fault as fault:
            self._note_fault(fault, "completions")
            failure = Failure("generate", fault.kind, fault.message)
            return index, LoglikelihoodResponse(failure=failure)
        # The per-sample boundary: whatever one request does, the others are answered.
        except Exception as error:
            return index, LoglikelihoodResponse(failure=describe(error))
        self._note_success("completions", {})
        return index, response

    async def _loglikelihood(
        self, client: Client, request: LoglikelihoodRequest
    ) -> LoglikelihoodResponse:
        if request.parts:
            raise Fault("Unsupported", "the API scores no text after media")
        # Trailing spaces of the context count to the continuation.
        context = request.context.rstrip(" ")
        continuation = request.context[len(context) :] + request.continuation
        whole = await self._echo(client, context + continuation)
        start = boundary(whole.tokens, context, continuation)
        if start is None and context:
            # A token lies across the boundary, or a character over several tokens: count the
            # context's own tokens instead.
            start = len((await self._echo(client, context)).tokens)
        return sum_up(whole, start or 0)

    async def _echo(self, client: Client, prompt: str) -> Scored:
        body: dict[str, Json] = {
            "model": self.options.model,
            "prompt": prompt,
            "max_tokens": 1,  # 0 is refused by some servers; the one token is left out below
            "temperature": 0.0,
            "echo": True,
            "logprobs": 1,
        }
        call = json_call("completions", "/completions", "text", body)
        try:
            answer = await client.ask(call, self._read)
        except Fault as fault:
            if fault.kind in ("HTTP400", "HTTP422") and call.api not in self._succeeded:
                raise UsageError(_cannot_score(self.options.base_url, fault.message)) from fault
            raise
        assert isinstance(answer.value, Scored)
        return answer.value

    def _read(self, call: Call, body: bytes, censor: Censor) -> Answer:
        """Read an echoed prompt. Raises UsageError when the server did not echo."""
        try:
            whole = parse_json(body)
            choice = whole["choices"][0]
            data = choice.get("logprobs") or {}
            asked = parse_json(call.body)["prompt"]
            count = _prompt_tokens(whole, [str(token) for token in data.get("tokens") or ()], asked)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            said = censor.message(str(error))
            raise Fault("BadResponse", f"no completion: {said}", retry=True) from error
        if count < 1 or not str(choice.get("text")).startswith(asked):
            why = "it left out the prompt's log-probabilities"
            if call.api in self._succeeded:
                raise Fault("NoEcho", why, retry=True)
            raise UsageError(_cannot_score(self.options.base_url, why))
        try:
            logprobs = [_number(value) for value in data["token_logprobs"][:count]]
            tops = data.get("top_logprobs") or [None] * count
            best = [_best(top) for top in tops[:count]]
            tokens = [str(token) for token in data["tokens"][:count]]
        except (TypeError, ValueError, KeyError) as error:
            said = censor.message(str(error))
            raise Fault("BadResponse", f"no log-probabilities: {said}", retry=True) from error
        if not len(tokens) == len(logprobs) == len(best):
            raise Fault("BadResponse", "tokens and log-probabilities differ in number", retry=True)
        usage = read_usage(whole.get("usage"))
        return Answer(None, usage, value=Scored(tokens, logprobs, best))


def boundary(tokens: Sequence[str], context: str, continuation: str) -> int | None:
    """Return how many tokens make up the context, special tokens before it included.

    None when the tokens do not spell the prompt, or one lies across the boundary.
    """
    text = "".join(tokens)
    lead = len(text) - len(context) - len(continuation)
    if lead < 0 or text[lead:] != context + continuation:
        return None
    wanted = lead + len(context)
    length = 0
    for count, token in enumerate(tokens):
        if length == wanted:
            return count
        length += len(token)
    return None


def sum_up(scored: Scored, start: int) -> LoglikelihoodResponse:
    """Add up the log-probabilities from token `start` on."""
    values = scored.logprobs[start:]
    known = [value for value in values if value is not None]
    if start < 1 or not known or len(known) < len(values):
        message = "the server gave no log-probabilities of the continuation's tokens"
        return LoglikelihoodResponse(failure=Failure("generate", "NoLogprobs", message))
    pairs = zip(known, scored.best[start:], strict=True)
    greedy = all(best is not None and value >= best for value, best in pairs)
    return LoglikelihoodResponse(math.fsum(known), greedy, tokens=len(known))


def _prompt_tokens(data: Json, tokens: Sequence[str], prompt: str) -> int:
    """Return how many of the listed tokens are the prompt's: all, or all but the generated one.

    0 when that disagrees with the number of prompt tokens the server states; where it states none,
    when the tokens do not spell the prompt.
    """
    stated = read_usage(data.get("usage")).get("input_tokens")
    for count in (len(tokens) - 1, len(tokens)):
        if stated == count or (stated is None and "".join(tokens[:count]).endswith(prompt)):
            return count
    return 0


def _number(value: Json) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a log-probability is {number}")
    return number


def _best(top: Json) -> float | None:
    if not isinstance(top, dict) or not top:
        return None
    return max(float(value) for value in top.values())


def _cannot_score(where: str, why: str) -> str:
    return (
        f"the server at {where} cannot score given text ({why}); tasks that go by "
        "log-likelihoods need echo and logprobs in /completions, as vLLM has them (llama.cpp, "
        "SGLang and most hosted services do not)"
    )

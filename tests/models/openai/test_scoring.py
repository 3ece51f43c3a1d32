"""Log-likelihoods through `echo`, against a bigram model that is scored here by hand."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from models.openai.faulty_server import Asked, FaultyServer

from mio_eval.errors import UsageError
from mio_eval.models.loglikelihood import LoglikelihoodRequest, loglikelihood_inputs
from mio_eval.models.openai.scoring import boundary

Make = Callable[..., Any]
BOS = "<s>"


def tokens_of(text: str) -> list[str]:
    """Words with the blank before them; `ing` at the end of a word is a token of its own."""
    return re.findall(r" ?[a-z]+?(?=ing\b)|ing\b| ?[A-Za-z]+|[^A-Za-z]", text)


def logprob(before: str, token: str) -> float:
    """Minus a tenth of the two lengths: any function of both will do."""
    return -(len(before) + 2 * len(token)) / 10


def echo(asked: Asked) -> dict[str, Any]:
    """Answer as vLLM does: prompt tokens with a BOS before them, one generated token at the end."""
    sent = asked.json
    assert (sent["echo"], sent["logprobs"], sent["max_tokens"]) == (True, 1, 1)
    tokens = [BOS, *tokens_of(sent["prompt"])]
    values: list[float | None] = [None]
    values += [logprob(a, b) for a, b in itertools.pairwise(tokens)]
    tops: list[Any] = [None]
    for token, value in zip(tokens[1:], values[1:], strict=True):
        assert value is not None
        tops.append({token: value} if len(token) < 5 else {token: value, " x": value + 0.1})
    logprobs = {
        "tokens": [*tokens, " end"],
        "token_logprobs": [*values, -0.25],
        "top_logprobs": [*tops, {" end": -0.25}],
    }
    choice = {"text": sent["prompt"] + " end", "logprobs": logprobs, "finish_reason": "length"}
    return {"choices": [choice], "usage": {"prompt_tokens": len(tokens)}}


def by_hand(context: str, continuation: str) -> float:
    tokens = [BOS, *tokens_of(context + continuation)]
    start = 1 + len(tokens_of(context.rstrip(" ")))
    return math.fsum(logprob(tokens[i - 1], tokens[i]) for i in range(start, len(tokens)))


def test_sums_agree_with_a_sum_by_hand(server: FaultyServer, backend: Make) -> None:
    server.answer = echo
    asked = [
        LoglikelihoodRequest("The sky is", " blue"),
        LoglikelihoodRequest("The sky is ", "blue"),
        LoglikelihoodRequest("The sky is", " green today"),
        LoglikelihoodRequest("Answer:", " A"),
        LoglikelihoodRequest("", "Once more"),
    ]
    made = backend(api="completions")
    assert loglikelihood_inputs(made) == {"text"}
    found = list(made.loglikelihood(asked))
    assert [r.failure for r in found] == [None] * 5
    for request, response in zip(asked, found, strict=True):
        expected = by_hand(request.context, request.continuation)
        assert response.logprob == pytest.approx(expected, abs=1e-12)
    assert [r.tokens for r in found] == [1, 1, 2, 1, 2]
    assert [r.greedy for r in found] == [False, False, False, True, False]
    assert found[0] == found[1], "trailing blanks count to the continuation"


def test_a_token_across_the_boundary_is_settled_by_the_context_alone(
    server: FaultyServer, backend: Make
) -> None:
    """`swinger` is one token, `swing` two: the continuation is what follows the first two."""
    server.answer = echo
    (response,) = backend().loglikelihood([LoglikelihoodRequest("a swing", "er club house")])
    whole, alone = [BOS, *tokens_of("a swinger club house")], [BOS, *tokens_of("a swing")]
    assert whole[2] == " swinger", "the example tests nothing"
    assert len(alone) == 4
    start = len(alone)
    expected = math.fsum(logprob(whole[i - 1], whole[i]) for i in range(start, len(whole)))
    assert response.logprob == pytest.approx(expected, abs=1e-12)
    assert {asked.json["prompt"] for asked in server.posts} == {"a swinger club house", "a swing"}


def test_answers_come_in_the_order_asked(server: FaultyServer, backend: Make) -> None:
    server.answer = echo
    server.script = lambda asked: (
        "500" if "is 7 " in asked.body.decode() and asked.number == 1 else ""
    )
    asked = [LoglikelihoodRequest(f"This is {n} ", "x" * (n + 1)) for n in range(30)]
    found = list(backend().loglikelihood(asked))
    for request, response in zip(asked, found, strict=True):
        assert response.logprob == pytest.approx(by_hand(request.context, request.continuation))


@pytest.mark.parametrize("listed", [True, False])
def test_without_usage_the_tokens_tell_the_prompt(
    server: FaultyServer, backend: Make, listed: bool
) -> None:
    def answer(asked: Asked) -> dict[str, Any]:
        data = echo(asked)
        del data["usage"]
        if not listed:  # the generated token
            for values in data["choices"][0]["logprobs"].values():
                del values[-1]
        return data

    server.answer = answer
    (found,) = backend(api="completions").loglikelihood(
        [LoglikelihoodRequest("The sky is", " blue")]
    )
    assert found.logprob == pytest.approx(by_hand("The sky is", " blue"), abs=1e-12)
    assert found.tokens == 1


def test_without_usage_tokens_that_spell_something_else_are_refused(
    server: FaultyServer, backend: Make
) -> None:
    def answer(asked: Asked) -> dict[str, Any]:
        data = echo(asked)
        del data["usage"]
        logprobs = data["choices"][0]["logprobs"]
        logprobs["tokens"] = ["?" for _ in logprobs["tokens"]]
        return data

    server.answer = answer
    with pytest.raises(UsageError, match="cannot score given text"):
        list(
            backend(api="completions").loglikelihood([LoglikelihoodRequest("The sky is", " blue")])
        )


def test_a_server_that_ignores_echo_is_found_out(server: FaultyServer, backend: Make) -> None:
    """llama.cpp answers with the new token alone."""
    server.answer = lambda asked: {"choices": [{"text": " end", "logprobs": {"content": []}}]}
    with pytest.raises(UsageError, match=r"cannot score given text .*as vLLM has them"):
        list(backend().loglikelihood([LoglikelihoodRequest("a", " b")]))
    server.script = lambda asked: "400"
    with pytest.raises(UsageError, match=r"cannot score given text .*told to answer 400"):
        list(backend().loglikelihood([LoglikelihoodRequest("a", " b")]))


def test_an_echo_without_the_prompts_log_probabilities_is_found_out(
    server: FaultyServer, backend: Make
) -> None:
    """SGLang's way: the text is echoed, the log-probabilities are of the new tokens."""

    def echo_without(asked: Asked) -> Any:
        made = echo(asked)
        logprobs = made["choices"][0]["logprobs"]
        for name in logprobs:
            logprobs[name] = logprobs[name][-2:]
        return made

    server.answer = echo_without
    with pytest.raises(UsageError, match="cannot score given text"):
        list(backend().loglikelihood([LoglikelihoodRequest("The sky", " is blue")]))


def test_a_chat_alone_scores_nothing(backend: Make) -> None:
    assert loglikelihood_inputs(backend(api="chat")) == frozenset()


@pytest.mark.parametrize("bad", [math.nan, math.inf, "x", [1]])
def test_what_is_no_log_probability_is_none(
    server: FaultyServer, backend: Make, bad: object
) -> None:
    def broken(asked: Asked) -> Any:
        made = echo(asked)
        made["choices"][0]["logprobs"]["token_logprobs"][2] = bad
        return made

    server.answer = broken
    (response,) = backend(retries=0).loglikelihood([LoglikelihoodRequest("a b", " c")])
    assert response.failure is not None
    assert response.failure.type == "BadResponse"


def test_where_the_continuation_begins() -> None:
    assert boundary(["<s>", "The", " sky", " is"], "The sky", " is") == 3
    assert boundary(["The", " sky", " is"], "The sky", " is") == 2
    assert boundary(["The", " sky is"], "The sky", " is") is None
    assert boundary(["T", "\ufffd", "\ufffd", " is"], "T\u4e2d", " is") is None

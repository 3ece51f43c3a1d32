"""Backends as models of lm-eval: generation. Log-likelihoods: tests/engine/test_text_harness.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine.loglikelihood_models import Talker

from mio_eval.engine.cache import ResponseCache
from mio_eval.errors import RunError, UsageError
from mio_eval.models.base import Backend, ModelIdentity, OutOfMemory
from mio_eval.models.loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from mio_eval.types import Capability, Request, Response, Text

pytest.importorskip("lm_eval")


def test_generation_goes_through_the_backend_once(tmp_path: Path) -> None:
    from mio_eval.models.lm_eval_model import BackendLM

    cache = ResponseCache(tmp_path / "cache")
    backend = Talker()
    model = BackendLM(backend, cache)
    asked = [
        SimpleNamespace(args=("Q", {"until": ["\n\n"], "max_gen_toks": 8}), task_name="t"),
        SimpleNamespace(args=("Q", {"until": [". "], "max_gen_toks": 8}), task_name="t"),
        SimpleNamespace(args=("Q", {"until": ["\n\n"], "max_gen_toks": 8}), task_name="t"),
    ]
    want = ["one two. three", "one two", "one two. three"]
    assert model.generate_until(asked) == want
    assert [r.settings["max_new_tokens"] for r in backend.requests] == [8, 8]
    assert model.generate_until(asked) == want
    assert len(backend.requests) == 2
    with pytest.raises(UsageError, match="loglikelihood_rolling"):
        model.loglikelihood_rolling(asked)
    cache.close()


def test_deterministic_answers_are_kept_apart(tmp_path: Path) -> None:
    """A cache of answers given otherwise must not answer `--deterministic`, nor the other way."""
    from mio_eval.models.lm_eval_model import BackendLM

    cache = ResponseCache(tmp_path / "cache")
    asked = [SimpleNamespace(args=("Q", " A"), task_name="t")]
    scored = []
    for deterministic in (False, True, True, False):
        backend = Rater()
        backend.deterministic = deterministic
        BackendLM(backend, cache).loglikelihood(asked)
        scored.append(backend.scored)
    assert scored == [1, 1, 0, 0]
    cache.close()


class Rater(Backend):
    """Finds everything equally likely; its identity does not say whether it is deterministic."""

    name = "rater"
    capabilities = frozenset({Capability(frozenset({"text"}), "text")})

    def __init__(self) -> None:
        self.scored = 0

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        for _ in requests:
            self.scored += 1
            yield LoglikelihoodResponse(-1.0, False, tokens=1)


class Small(Backend):
    """Says the prompt backwards; a forward pass holds `room` requests."""

    name = "small"
    capabilities = frozenset({Capability(frozenset({"text"}), "text")})

    def __init__(self, room: int, streams: bool = False) -> None:
        self.room = room
        self.streams = streams
        self.batches: list[list[str]] = []

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        batch = list(requests)
        texts = [request.parts[0].text for request in batch]
        self.batches.append(texts)
        if len(batch) > self.room:
            raise OutOfMemory("CUDA out of memory")
        for request, text in zip(batch, texts, strict=True):
            yield Response(request.sample_id, Text(text[::-1]))


def asked_for(*prompts: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(args=(text, {"until": ["\n"]}), task_name="t") for text in prompts]


def test_generation_goes_in_batches_the_longest_first() -> None:
    from mio_eval.models.lm_eval_model import BackendLM

    prompts = ["a", "bbbb", "cc", "ddddd", "eee"]
    backend = Small(room=2)
    found = BackendLM(backend, batch_size=2).generate_until(asked_for(*prompts))
    assert found == prompts  # in the order asked, whatever the order answered
    assert backend.batches == [["ddddd", "bbbb"], ["eee", "cc"], ["a"]]
    streaming = Small(room=9, streams=True)
    BackendLM(streaming, batch_size=2).generate_until(asked_for(*prompts))
    assert streaming.batches == [prompts]


def test_a_batch_that_does_not_fit_is_halved() -> None:
    from mio_eval.models.lm_eval_model import BackendLM

    prompts = ["xy" * n for n in range(1, 8)]
    backend = Small(room=1)
    model = BackendLM(backend, batch_size=4, timeout=60)
    assert model.generate_until(asked_for(*prompts)) == [text[::-1] for text in prompts]
    assert [len(batch) for batch in backend.batches] == [4, 2, *[1] * 7]
    with pytest.raises(RunError, match=r"3 texts were not generated \(OutOfMemory: CUDA"):
        BackendLM(Small(room=0), batch_size=4).generate_until(asked_for("a", "b", "c"))

"""Backends as models of lm-eval: generation. Log-likelihoods: tests/engine/test_text_harness.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from engine.loglikelihood_models import Talker

from mio_eval.engine.cache import ResponseCache
from mio_eval.errors import UsageError

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

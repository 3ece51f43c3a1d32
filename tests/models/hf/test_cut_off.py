"""Answers that end for want of room are counted; those that end by themselves are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from models.hf.asking import opened

from mio_eval.types import Request, Text


def usages(backend: Any, texts: tuple[str, ...], **settings: object) -> list[dict[str, float]]:
    asked = [
        Request(str(i), (Text(text),), "text", {"num_beams": 1, "do_sample": False, **settings})
        for i, text in enumerate(texts)
    ]
    found = {response.sample_id: response.usage for response in backend.generate(asked)}
    return [found[request.sample_id] for request in asked]


@pytest.fixture
def backend(llama: Path) -> Any:
    made = opened(llama)
    made.load(("text",), "text")
    return made


def new_tokens(backend: Any, text: str, count: int) -> list[int]:
    """Return what the model writes after a text, by transformers alone."""
    family = backend._family
    given = family.tokenizer(text, return_tensors="pt")
    written = family.model.generate(**given, max_new_tokens=count, do_sample=False)
    ids: list[int] = written[0, given["input_ids"].shape[1] :].tolist()
    return ids


def test_an_answer_without_an_end_is_cut_off(backend: Any) -> None:
    (usage,) = usages(backend, ("Hm",), max_new_tokens=5)
    assert (usage["new_tokens"], usage["cut_off"]) == (5, 1)


@pytest.mark.parametrize("room", [3, 5])
def test_an_answer_with_an_end_is_not(backend: Any, room: int) -> None:
    ids = new_tokens(backend, "Hm", 5)
    assert ids[2] not in ids[:2]
    backend._family.model.generation_config.eos_token_id = ids[2]
    (usage,) = usages(backend, ("Hm",), max_new_tokens=room)
    assert usage["new_tokens"] == 3
    assert "cut_off" not in usage


def test_an_answer_that_reached_its_stop_string_is_not(backend: Any) -> None:
    written = backend._family.tokenizer.decode(new_tokens(backend, "Hm", 5))
    (usage,) = usages(backend, ("Hm",), max_new_tokens=5, stop=[written[-1]])
    assert "cut_off" not in usage

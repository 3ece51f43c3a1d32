"""Sampled answers: batched, each under its own seed, distributed as the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
stats = pytest.importorskip("scipy.stats")

from models.hf import direct  # noqa: E402

from mio_eval.models import create_model  # noqa: E402
from mio_eval.models.hf.text import TextFamily  # noqa: E402
from mio_eval.shipped import sample_data  # noqa: E402
from mio_eval.types import Image, Request, Text  # noqa: E402

DRAWN = {"max_new_tokens": 10, "do_sample": True, "temperature": 1.0, "top_p": 0.95}
SETTINGS = [
    DRAWN,
    {**DRAWN, "repetition_penalty": 1.3, "top_k": 40},
    {**DRAWN, "min_p": 0.02, "typical_p": 0.95, "temperature": 1.5},
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def opened(checkpoint: Callable[[str], Path]) -> Callable[[str], Any]:
    def build(name: str) -> Any:
        backend = create_model("hf", {"pretrained": str(checkpoint(name)), "device": "cpu"})
        backend.load((), "text")
        return backend

    return build


def requests_for(name: str, settings: dict[str, Any], seed: int = 0) -> list[Request]:
    """Four requests of unlike lengths, the first two alike in all but the sample."""
    words = ["\nHm", "\nHm", "\nWhat is this, in a few more words than before?", "\nDescribe it."]
    file = sorted(sample_data().glob("coco/val2014/*.jpg"))[0]
    media = () if name == "llama" else (Image(file),)
    return [
        Request(f"s{i}", (*media, Text(text)), "text", settings, seed, f"key {i}")
        for i, text in enumerate(words)
    ]


def answers(backend: Any, requests: list[Request]) -> dict[str, str]:
    found = list(backend.generate(requests))
    assert [r.failure for r in found] == [None] * len(requests)
    return {r.sample_id: r.output.text for r in found}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("llama", settings) for settings in SETTINGS),
        *((name, DRAWN) for name in ("llava", "qwen2_5_omni", "blip2", "kosmos2")),
    ],
)
def test_an_answer_does_not_depend_on_its_batch(
    name: str, settings: dict[str, Any], opened: Callable[[str], Any]
) -> None:
    backend = opened(name)
    asked = requests_for(name, settings)
    together = answers(backend, asked)
    assert len(set(together.values())) == 4  # the first two differ by their seeds alone
    assert answers(backend, asked[::-1]) == together
    assert {k: v for r in asked[:3] for k, v in answers(backend, [r]).items()} == {
        key: together[key] for key in ("s0", "s1", "s2")
    }
    other = answers(backend, [replace(request, seed=1) for request in asked])
    assert all(other[key] != together[key] for key in other)


def test_rows_sampled_together_go_through_the_model_at_once(
    opened: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    whole = TextFamily.new_tokens

    def watched(self: Any, inputs: Any, *rest: Any) -> Any:
        rows.append(len(inputs["input_ids"]))
        return whole(self, inputs, *rest)

    monkeypatch.setattr(TextFamily, "new_tokens", watched)
    backend = opened("llama")
    answers(backend, requests_for("llama", DRAWN))
    assert rows == [4]
    rows.clear()
    beams = requests_for("llama", {**DRAWN, "num_beams": 2})
    found = answers(backend, beams)
    assert rows == [1, 1, 1, 1]  # sampled beams have no generator of their own
    assert answers(backend, beams[::-1]) == found


def test_the_first_token_is_distributed_as_the_model_says(
    checkpoint: Callable[[str], Path], opened: Callable[[str], Any]
) -> None:
    """2,000 requests that differ in their keys alone against the softmax of a plain forward pass.

    The seeds are fixed, so this cannot flake.
    """
    model, tokenizer = direct.load(checkpoint("llama"))
    with torch.no_grad():
        logits = model(**tokenizer("Say", return_tensors="pt")).logits[0, -1].double()
    likeliest = logits.div(1.2).topk(8)
    want: Counter[str] = Counter()
    chances = likeliest.values.softmax(-1).tolist()
    for token, chance in zip(likeliest.indices.tolist(), chances, strict=True):
        want[tokenizer.decode([token], skip_special_tokens=True)] += chance
    settings = {"max_new_tokens": 1, "do_sample": True, "temperature": 1.2, "top_k": 8}
    asked = [Request(str(i), (Text("Say"),), "text", settings, 0, f"k{i}") for i in range(2000)]
    found = Counter(answers(opened("llama"), asked).values())
    assert found.keys() <= want.keys()
    assert len(want) > 4
    assert min(want.values()) * 2000 > 5
    result = stats.chisquare([found[t] for t in want], [2000 * want[t] for t in want])
    assert result.pvalue > 1e-4


def test_greedy_and_sampled_requests_of_one_batch_keep_apart(opened: Callable[[str], Any]) -> None:
    backend = opened("llama")
    greedy = requests_for("llama", {"max_new_tokens": 10})
    drawn = [replace(r, sample_id=f"d{i}") for i, r in enumerate(requests_for("llama", DRAWN))]
    mixed = answers(backend, [greedy[0], drawn[0], greedy[2], drawn[2]])
    assert mixed["s0"] == answers(backend, greedy[:1])["s0"]
    assert mixed["d2"] == answers(backend, drawn[2:3])["d2"]
    assert mixed["s0"] != mixed["d0"]

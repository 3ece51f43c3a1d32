"""The tokenizer against transformers' slow LlamaTokenizer, with which MIO was released."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mio_eval.models.hf.family import Checkpoint
from mio_eval.models.slow_tokenizer import slow_tokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "mio" / "tokenizer"
CASES = json.loads((GOLDEN / "ids.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def tokenizer():
    return slow_tokenizer(Checkpoint(str(GOLDEN), None, {}))


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_ids_equal_the_slow_tokenizers(tokenizer, case) -> None:
    assert tokenizer(case["text"], add_special_tokens=False)["input_ids"] == case["ids"]


def test_media_tokens_come_back_as_written(tokenizer) -> None:
    text = "<image><img0><img39></image> and <spch><spch7></spch>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "".join(tokenizer.decode(ids).split()) == text.replace(" ", "")

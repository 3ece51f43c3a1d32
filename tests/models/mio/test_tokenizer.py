"""The tokenizer against transformers' slow LlamaTokenizer, with which MIO was released."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mio_eval.errors import UsageError
from mio_eval.models.hf.family import Checkpoint, LoadOptions
from mio_eval.models.mio.llama_tokenizer import load_llama_tokenizer, puts_space

GOLDEN = Path(__file__).parents[2] / "golden" / "mio" / "tokenizer"
CASES = json.loads((GOLDEN / "ids.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def tokenizer():
    return load_llama_tokenizer(Checkpoint(str(GOLDEN), None, {}), LoadOptions())


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_ids_equal_the_slow_tokenizers(tokenizer, case) -> None:
    assert tokenizer(case["text"], add_special_tokens=False)["input_ids"] == case["ids"]


def test_media_tokens_come_back_as_written(tokenizer) -> None:
    text = "<image><img0><img39></image> and <spch><spch7></spch>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "".join(tokenizer.decode(ids).split()) == text.replace(" ", "")


def test_the_sentencepiece_model_decides_about_the_space(tmp_path: Path) -> None:
    import sentencepiece

    assert not puts_space(GOLDEN / "tokenizer.model")
    (tmp_path / "text").write_text("some words to learn\n" * 10)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(tmp_path / "m"),
        model_type="bpe",
        vocab_size=30,
        minloglevel=2,
    )
    assert puts_space(tmp_path / "m.model")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_llama_tokenizer(Checkpoint(str(tmp_path), None, {}), LoadOptions())

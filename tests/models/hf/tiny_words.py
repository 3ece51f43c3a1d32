"""Vocabularies of tiny models: of bytes, letters, words and trained pieces."""

# ruff: noqa: S106  (special tokens are no passwords)

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mio_eval.compat import import_torchvision

import_torchvision()  # transformers imports it where it is installed


def numbered(words: Iterable[str]) -> dict[str, int]:
    """Give each word its place as its number."""
    return {word: index for index, word in enumerate(words)}


def write_vocabulary(folder: Path, words: Iterable[str]) -> Path:
    """Write `folder/vocab.json`, making the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.json"
    path.write_text(json.dumps(numbered(words)))
    return path


def byte_letters() -> list[str]:
    """GPT-2's alphabet: a letter for each byte, in the order of its vocabularies."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def byte_level(vocabulary: dict[str, int]) -> Any:
    """Make a `tokenizers.Tokenizer` of a token a byte, without merges; others are <unk>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return raw


def word_level(words: Iterable[str], **special: Any) -> Any:
    """Make a tokenizer of a token a word, <unk>, </s> and <pad> among them.

    Args:
        words: each once; a space ends one.
        special: further arguments of PreTrainedTokenizerFast.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel(numbered(words), unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", eos_token="</s>", pad_token="<pad>", **special
    )


def train_pieces(folder: Path, name: str, text: str, **settings: Any) -> Path:
    """Train a sentencepiece model on a text: `folder/NAME.model`, making the folder."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "text.txt"
    source.write_text(text)
    sentencepiece.SentencePieceTrainer.train(
        input=str(source), model_prefix=str(folder / name), minloglevel=2, **settings
    )
    return folder / f"{name}.model"

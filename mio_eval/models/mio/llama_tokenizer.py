"""The slow Llama tokenizer of older releases, as transformers 5 must be told to be it.

MIO was trained and is released with transformers' slow `LlamaTokenizer`, in which the sentencepiece
model itself says whether text gets a space in front. transformers 5 has one class for all, which
puts that space unless told otherwise; after every special token it would change the prompt's ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..hf.checkpoint import hub_file
from ..hf.family import Checkpoint, LoadOptions
from ..hf.loading import load_processor, need

MODEL = "tokenizer.model"


def load_llama_tokenizer(checkpoint: Checkpoint, options: LoadOptions) -> Any:
    """Load a checkpoint's tokenizer with the ids of the slow class. Raises UsageError."""
    transformers = need("transformers", "this model")
    arguments: dict[str, Any] = {}
    path = _model_file(checkpoint)
    if path is not None:
        arguments["add_prefix_space"] = puts_space(path)
    return load_processor(transformers.AutoTokenizer, checkpoint, options, **arguments)


def puts_space(path: Path) -> bool:
    """Tell whether a sentencepiece model puts a space in front of text."""
    sentencepiece = need("sentencepiece", "a tokenizer.model")
    pieces: list[str] = sentencepiece.SentencePieceProcessor(model_file=str(path)).encode(
        "a", out_type=str
    )
    return pieces[0].startswith("▁")


def _model_file(checkpoint: Checkpoint) -> Path | None:
    folder = Path(checkpoint.pretrained).expanduser()
    if folder.is_dir():
        return folder / MODEL if (folder / MODEL).is_file() else None
    return hub_file(checkpoint.pretrained, MODEL, checkpoint.revision)

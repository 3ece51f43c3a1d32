"""Llama's slow tokenizer, with which MIO and AnyGPT were trained and released.

transformers' slow `LlamaTokenizer` (4.34 in both releases) hands each stretch of text between two
added tokens to SentencePiece by itself, whose model says whether a stretch begins with "▁". The one
tokenizer that transformers 5 makes of the same files begins each prompt, or each stretch, as its
config says, and cuts a prompt with media into other tokens than in training. transformers 5 still
has the parts of the slow one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .hf.family import Checkpoint
from .hf.loading import need

MODEL = "tokenizer.model"


def slow_tokenizer(checkpoint: Checkpoint) -> Any:
    """Return the slow tokenizer of a checkpoint, or None where it has no SentencePiece model."""
    hub = need("transformers.utils.hub", "models with a SentencePiece tokenizer")
    found = hub.cached_file(
        checkpoint.pretrained,
        MODEL,
        revision=checkpoint.revision,
        _raise_exceptions_for_missing_entries=False,
    )
    if found is None:
        return None
    base = need("transformers.tokenization_utils_sentencepiece", "its tokenizer")

    class SlowLlama(base.SentencePieceBackend):  # type: ignore[misc, name-defined]
        """SentencePiece between added tokens, with what turns its pieces back into text."""

        def _decode(self, token_ids: Any, skip_special_tokens: bool = False, **_: Any) -> str:
            ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
            special = set(self.all_special_ids) if skip_special_tokens else set()
            return "".join(_spans(self, [i for i in ids if i not in special]))

    tokenizer = SlowLlama.from_pretrained(
        checkpoint.pretrained, revision=checkpoint.revision, special_tokens_pattern="bos"
    )
    if tokenizer.pad_token is None:  # the release pads with token 0
        tokenizer.pad_token = tokenizer.unk_token
    return tokenizer


def _spans(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return the text of token ids: added tokens as they are, the rest as SentencePiece has it."""
    spans: list[str] = []
    run: list[int] = []
    for token in ids:
        added = tokenizer.added_tokens_decoder.get(token)
        if added is None and token < tokenizer.vocab_size:
            run.append(token)
            continue
        if run:
            spans.append(tokenizer.sp_model.decode(run))
            run = []
        spans.append("" if added is None else str(added))
    return [*spans, tokenizer.sp_model.decode(run)] if run else spans

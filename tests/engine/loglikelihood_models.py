"""A small random Llama, and backends that score text with it through plain transformers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mio_eval.compat import import_torchvision
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.models.loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from mio_eval.types import Capability, Part, Request, Text

TEXT_TO_TEXT = frozenset({Capability(frozenset({"text"}), "text")})


def write_llama(folder: Path, texts: Iterable[str]) -> Path:
    """Save a two-layer Llama with random weights and a byte-level BPE tokenizer."""
    import_torchvision()  # transformers' image helpers import it, fitting torch or not
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    letters = " A B C D" * 1000  # each becomes a token, so that none is likelier for its length
    tokenizer.train_from_iterator([*texts, letters], trainer)
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.5,  # so that options differ clearly
        bos_token_id=0,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    for layer in model.model.layers:  # attention to few tokens, so that questions differ
        layer.self_attn.q_proj.weight.data *= 8
    model.save_pretrained(folder)
    return folder


class LlamaScorer(Backend):
    """Scores one continuation at a time, by the definition and nothing else."""

    name = "llama-scorer"
    capabilities = TEXT_TO_TEXT

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        self.asked: list[LoglikelihoodRequest] = []

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "tiny-llama", "1")

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        for request in requests:
            self.asked.append(request)
            yield self._score(request)

    def _score(self, request: LoglikelihoodRequest) -> LoglikelihoodResponse:
        import torch

        context = self.tokenizer(request.context)["input_ids"]
        whole = self.tokenizer(request.context + request.continuation)["input_ids"]
        tokens = whole[len(context) :]
        with torch.no_grad():
            logits = self.model(torch.tensor([whole[:-1]])).logits[0, -len(tokens) :]
        logprobs = logits.log_softmax(-1)
        logprob = sum(float(logprobs[i, token]) for i, token in enumerate(tokens))
        return LoglikelihoodResponse(logprob, logits.argmax(-1).tolist() == tokens)


class Ruler(Backend):
    """Needs no weights: a score is a fixed function of the text. It can fail, or be killed."""

    name = "ruler"
    capabilities = TEXT_TO_TEXT

    def __init__(self, fails_on: str = "", dies_after: int | None = None, value: float = 0) -> None:
        self.fails_on = fails_on
        self.dies_after = dies_after
        self.value = value
        self.asked: list[LoglikelihoodRequest] = []

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "ruler", "1")

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        for request in requests:
            if self.dies_after is not None and len(self.asked) >= self.dies_after:
                raise KeyboardInterrupt
            if self.fails_on and self.fails_on in request.context:
                raise ValueError("too long for this model")
            self.asked.append(request)
            total = zlib.crc32((request.context + request.continuation).encode())
            yield LoglikelihoodResponse(self.value or -(total % 1009) / 7, total % 2 == 0)


class Talker(Backend):
    """Generates text; gives no log-likelihoods."""

    name = "talker"
    capabilities = TEXT_TO_TEXT

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "talker", "1")

    def answer(self, request: Request) -> Part:
        self.requests.append(request)
        return Text("one two. three\n\nfour")

"""SmolLM2-135M-Instruct: log-likelihoods of text, and short answers to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...compat import import_torchvision
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAX_NEW_TOKENS = 64


class LanguageModel:
    """Scores and continues text with a Llama on the CPU, in float32.

    Args:
        model: a causal language model of transformers.
        tokenizer: its tokenizer.
        threads: CPU threads; None leaves torch's setting.
    """

    def __init__(self, model: Any, tokenizer: Any, threads: int | None = None) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._threads = threads
        self._longest = int(model.config.max_position_embeddings)

    @classmethod
    def from_gguf(cls, folder: Path, threads: int = 1) -> LanguageModel:
        """Read the packaged weights; transformers turns the 4-bit blocks back into floats."""
        import_torchvision()  # transformers' image helpers import it, fitting torch or not
        import torch
        from transformers import AutoTokenizer, LlamaForCausalLM

        with _no_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
            model = LlamaForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
        return cls(model, tokenizer, threads)

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Score continuations in order.

        Requests with one input (the options " A" to " D" after one question) share a forward pass.
        Nothing is padded: on a CPU it would gain nothing, and values would depend on the batch.
        """
        encoded = [self._encode(request.context, request.continuation) for request in requests]
        last = {tuple(inputs): number for number, (inputs, _) in enumerate(encoded)}
        known: dict[tuple[int, ...], Any] = {}
        for number, (inputs, tokens) in enumerate(encoded):
            name = tuple(inputs)
            if name not in known:
                longest = max(len(t) for i, t in encoded if i == inputs)
                known[name] = self._logprobs(inputs, longest)
            logprobs = known[name][len(known[name]) - len(tokens) :]
            if last[name] == number:
                del known[name]
            values = [float(row[token]) for row, token in zip(logprobs, tokens, strict=True)]
            greedy = logprobs.argmax(-1).tolist() == tokens
            yield LoglikelihoodResponse(sum(values), greedy, tokens=len(tokens))

    def reply(self, text: str, max_new_tokens: int = _MAX_NEW_TOKENS) -> str:
        """Answer one user turn in the model's chat format, greedily."""
        torch = self._torch()
        inputs = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        self._check_length(inputs["input_ids"].shape[1] + max_new_tokens)
        with torch.inference_mode():
            found = self._model.generate(
                **inputs, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1
            )
        new = found[0][inputs["input_ids"].shape[1] :]
        return str(self._tokenizer.decode(new, skip_special_tokens=True)).strip()

    def _encode(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Return the model's input and the continuation's tokens, which end it, shifted by one.

        The two are one text to the tokenizer, as in lm-eval: spaces at the end of the context
        count to the continuation, whose tokens are those after as many as the context alone has.
        """
        if context:
            spaces = len(context) - len(context.rstrip())
            head = context[: len(context) - spaces]
            start = len(self._ids(head)) if head else 0
            whole = self._ids(context + continuation)
            if not start:
                whole, start = [self._begin(), *whole], 1
        else:
            whole, start = [self._begin(), *self._ids(continuation)], 1
        tokens = whole[start:]
        if not tokens:
            raise ValueError(f"the continuation {continuation!r:.60} has no token of its own")
        self._check_length(len(whole) - 1)
        return whole[:-1], tokens

    def _check_length(self, count: int) -> None:
        if count > self._longest:
            raise ValueError(
                f"the text has {count} tokens, the model reads at most {self._longest}; "
                "nothing was cut"
            )

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _begin(self) -> int:
        """Return the token that stands for an empty context."""
        begin = self._tokenizer.bos_token_id
        return int(self._tokenizer.eos_token_id if begin is None else begin)

    def _logprobs(self, inputs: list[int], count: int) -> Any:
        """Return the log-probabilities of the next token at the last `count` positions."""
        torch = self._torch()
        with torch.inference_mode():
            logits = self._model(torch.tensor([inputs]), logits_to_keep=count).logits[0]
            return logits.float().log_softmax(-1)

    def _torch(self) -> Any:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return torch


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers' progress bars off the screen; the loading of GGUF has one of its own."""
    from transformers import modeling_gguf_pytorch_utils as module
    from transformers.utils import logging

    shown, bars = logging.is_progress_bar_enabled(), module.tqdm
    logging.disable_progress_bar()
    module.tqdm = lambda tensors, **_: tensors
    try:
        yield
    finally:
        module.tqdm = bars
        if shown:
            logging.enable_progress_bar()

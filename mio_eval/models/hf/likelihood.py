"""Log-likelihoods of given text, after text or after a prompt with media.

The tokens of a continuation are found as in lm-eval (`TemplateLM._encode_pair`): context and
continuation are encoded as one string, and the continuation's tokens are those after as many as
the context alone has; white space at the context's end counts to the continuation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...types import Failure, Request
from ..base import OutOfMemory, describe
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from .inputs import Prompt
from .loading import memory_guard, need
from .text import TextFamily

TOKENS_AT_ONCE = 8192  # of a forward pass, padding included
ROWS_AT_ONCE = 64
MEDIA_AT_ONCE = 8  # prompts with media of a forward pass


@dataclass(frozen=True, slots=True)
class _Item:
    """A request ready to score: its place in the answer, and how many tokens are scored."""

    place: int
    scored: int
    tokens: tuple[int, ...] = ()
    """All token ids, of requests without media; with media, those of the continuation."""
    prompt: Prompt | None = None
    """Context and continuation as one prompt, of requests with media."""


class Scorer(TextFamily):
    """Adds `loglikelihood` to a family whose model is a decoder."""

    _rows = ROWS_AT_ONCE  # halved, for good, when memory runs out

    @property
    def decoder(self) -> Any:
        """Return the module whose forward pass gives the logits of input tokens."""
        return self.model

    @property
    def keeps_end(self) -> bool:
        """Tell whether a prompt's end is a chat template's, so that no white space moves."""
        return False

    def chat_turn(self, context: str) -> str | None:
        """Return a context of text alone as a user's turn, or None when it is used as it is."""
        return None

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        found: list[LoglikelihoodResponse | None] = [None] * len(requests)
        plain: dict[tuple[int, ...], list[_Item]] = {}
        media: dict[Any, list[_Item]] = {}
        for place, request in enumerate(requests):
            try:
                item = self._item(place, request)
                if item.scored < 1:
                    raise ValueError(f"continuation {request.continuation!r} has no token")
                if failure := self.too_long(0 if item.prompt else len(item.tokens) - 1):
                    found[place] = LoglikelihoodResponse(failure=failure)
                    continue
            # The per-sample boundary: whatever one request does, the others are answered.
            except Exception as error:
                found[place] = LoglikelihoodResponse(failure=describe(error))
                continue
            if item.prompt is not None:
                media.setdefault(self.batch_key(item.prompt), []).append(item)
            else:
                # Continuations that differ in their last token alone share one row.
                plain.setdefault(item.tokens[:-1], []).append(item)
        self._score_plain(plain, found)
        for items in media.values():
            for start in range(0, len(items), MEDIA_AT_ONCE):
                self._score_media(items[start : start + MEDIA_AT_ONCE], found)
        missing = Failure("generate", "NoResponse", "the request was not scored")
        for response in found:
            yield response or LoglikelihoodResponse(failure=missing)

    def _item(self, place: int, request: LoglikelihoodRequest) -> _Item:
        if request.parts:
            prompt = request.prepared
            if not isinstance(prompt, Prompt):
                prompt = self.read(
                    Request(str(place), request.parts, "text", prepared=request.prepared)
                )
            context = prompt.text if self.keeps_end else prompt.text.rstrip()
            whole = prompt.text + request.continuation
            # The places of media count one token in both, however many they become.
            ids = self._ids(whole)[len(self._ids(context)) :]
            return _Item(place, len(ids), tuple(ids), replace(prompt, text=whole))
        if not request.context:
            ids = self._ids(request.continuation, special=False)
            first = self._first_token()
            if ids[:1] != [first]:
                ids = [first, *ids]
            return _Item(place, len(ids) - 1, tuple(ids))
        chat = self.chat_turn(request.context)
        context = request.context if chat is None else chat
        # The context as it is alone, even where the two together would be cut elsewhere.
        ids = self._ids(context.rstrip() if chat is None else context)
        rest = self._ids(context + request.continuation)[len(ids) :]
        return _Item(place, len(rest), (*ids, *rest))

    def _first_token(self) -> int:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        if bos is None and eos is None:
            raise ValueError("the model has no token to stand for an empty context")
        return int(eos if bos is None else bos)

    def _ids(self, text: str, special: bool = True) -> list[int]:
        """Encode text that goes on; special tokens as the tokenizer's default has it.

        BOS never twice, and no EOS, which some tokenizers put after every text.
        """
        tokenizer = self.tokenizer
        bos = tokenizer.bos_token
        if bos and text.startswith(bos):
            special = False
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special)
        if special and ids[-1:] == [tokenizer.eos_token_id]:
            bare = tokenizer.encode(text, add_special_tokens=False)
            if ids[len(ids) - len(bare) :] != bare:
                ids.pop()
        return ids

    def _score_plain(
        self,
        rows: dict[tuple[int, ...], list[_Item]],
        found: list[LoglikelihoodResponse | None],
    ) -> None:
        waiting = sorted(rows, key=len, reverse=True)
        while waiting:
            count = max(1, min(self._rows, TOKENS_AT_ONCE // max(1, len(waiting[0]))))
            batch = waiting[:count]
            try:
                with memory_guard():
                    self._forward_plain(batch, rows, found)
            except OutOfMemory:
                if len(batch) == 1:
                    raise
                self._rows = len(batch) // 2
                continue
            # What breaks a batch fails it: the caller asks again, one by one.
            waiting = waiting[count:]

    def _forward_plain(
        self,
        batch: Sequence[tuple[int, ...]],
        rows: dict[tuple[int, ...], list[_Item]],
        found: list[LoglikelihoodResponse | None],
    ) -> None:
        torch = need("torch", "any model")
        longest = len(batch[0])
        pad = self.tokenizer.pad_token_id or 0
        # Padded on the right, so that positions are those of the row alone.
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
        first = min(len(row) - max(i.scored for i in rows[row]) for row in batch)
        arguments: dict[str, Any] = self.to_device({"input_ids": ids, "attention_mask": mask})
        offset = 0
        if "logits_to_keep" in inspect.signature(self.decoder.forward).parameters:
            arguments["logits_to_keep"] = torch.arange(first, longest, device=mask.device).to(
                arguments["input_ids"].device
            )
            offset = first
        with torch.inference_mode():
            logits = self.decoder(**arguments, use_cache=False).logits
        for index, row in enumerate(batch):
            for item in rows[row]:
                start = len(row) - item.scored - offset
                found[item.place] = measure(
                    logits[index, start : start + item.scored], item.tokens[-item.scored :]
                )

    def _score_media(
        self, items: Sequence[_Item], found: list[LoglikelihoodResponse | None]
    ) -> None:
        try:
            with memory_guard():
                self._forward_media(items, found)
        # Of a batch that breaks or does not fit, each is tried alone: the per-sample boundary.
        except Exception as error:
            if len(items) > 1:
                for item in items:
                    self._score_media([item], found)
            elif isinstance(error, OutOfMemory):
                raise
            else:
                found[items[0].place] = LoglikelihoodResponse(failure=describe(error))

    def _forward_media(
        self, items: Sequence[_Item], found: list[LoglikelihoodResponse | None]
    ) -> None:
        torch = need("torch", "any model")
        inputs = self.encode([item.prompt for item in items if item.prompt], side="right")
        ids, lengths = inputs["input_ids"], inputs["attention_mask"].sum(-1).tolist()
        with torch.inference_mode():
            logits = self.decoder(**inputs).logits
        if logits.shape[:2] != ids.shape:
            raise ValueError("this model's logits do not stand beside its input tokens")
        for index, (item, length) in enumerate(zip(items, lengths, strict=True)):
            failure = self.too_long(length)
            start = length - item.scored
            if tuple(ids[index, start:length].tolist()) != item.tokens:
                raise ValueError("this model's processor does not leave the prompt's end as it is")
            found[item.place] = (
                LoglikelihoodResponse(failure=failure)
                if failure
                else measure(
                    logits[index, start - 1 : length - 1], ids[index, start:length].tolist()
                )
            )


def measure(logits: Any, tokens: Sequence[int]) -> LoglikelihoodResponse:
    """Sum the log-probabilities of tokens. `logits`: (tokens, vocabulary), one before each."""
    torch = need("torch", "any model")
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    target = torch.tensor(tokens, device=logits.device)
    total = logprobs.gather(-1, target[:, None]).sum()
    greedy = bool((logprobs.argmax(-1) == target).all())
    return LoglikelihoodResponse(float(total), greedy, tokens=len(tokens))

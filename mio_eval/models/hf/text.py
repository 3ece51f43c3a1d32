"""What every family that writes text shares: batches, seeds, lengths, decoding, failures."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ...jsonio import digest
from ...types import Failure, Json, Request, Response, Text
from ..base import OutOfMemory, describe
from ..sampling import sampling_processors
from . import settings as generation
from .family import Checkpoint, Family, LoadOptions
from .inputs import Prompt
from .loading import device_of, free, memory_guard, need


class PromptTooLongError(ValueError):
    """A prompt and its answer do not fit into the model's context."""


class TextFamily(Family):
    """A model that continues token sequences. Subclasses make prompts and encode them."""

    strips: ClassVar[bool] = True
    """Whether white space around an answer is dropped."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        self.model: Any = None
        self.tokenizer: Any = None

    def overrule(self) -> None:
        """Put the task's settings above the model's own generation defaults, and say what went."""
        ignored = generation.strip_model_defaults(self.model, self.tokenizer)
        if ignored:
            said = ", ".join(f"{name} {value}" for name, value in sorted(ignored.items()))
            self.say(
                f"the checkpoint's generation_config.json says {said}: "
                "ignored, the task's settings count"
            )

    @abstractmethod
    def read(self, request: Request) -> Prompt:
        """Decode a request's media and lay out its prompt. Raises DecodeError, OSError."""

    @abstractmethod
    def encode(self, prompts: Sequence[Prompt], side: str = "left") -> dict[str, Any]:
        """Return the model's inputs for prompts of one shape, padded on `side`."""

    def batch_key(self, prompt: Prompt) -> tuple[Any, ...]:
        """Return what prompts must have in common to go through the model together."""
        return prompt.shape

    def identity(self) -> dict[str, Json]:
        return {"generation": "task"}

    def prepare(self, request: Request) -> object:
        return self.read(request) if self.model is not None else None

    def cost(self, request: Request) -> float | None:
        if not isinstance(request.prepared, Prompt):
            return None
        prompt = request.prepared
        pixels = sum(image.width * image.height for image in prompt.images)
        pixels += sum(
            image.width * image.height for frames in prompt.videos for image in frames.images
        )
        samples = sum(len(sound) for sound in prompt.sounds)
        # About a token for four letters, for a patch of 28 × 28 pixels, for 40 ms of sound.
        return float(len(prompt.text) / 4 + pixels / 784 + samples / 640)

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        groups: dict[Any, list[tuple[Request, Prompt]]] = {}
        for request in requests:
            try:
                prompt = request.prepared
                if not isinstance(prompt, Prompt):
                    prompt = self.read(request)
                arguments = generation.arguments(request.settings)
            # The per-sample boundary: whatever one sample does, the others are answered.
            except Exception as error:
                yield Response(request.sample_id, failure=describe(error))
                continue
            # A sampled answer must not depend on its batch, so sampled beams go one by one.
            alone = request.sample_id if sampled_beams(arguments) else ""
            key = (
                self.batch_key(prompt),
                digest([arguments, generation.stops(request.settings)]),
                alone,
            )
            groups.setdefault(key, []).append((request, prompt))
        for group in groups.values():
            yield from self._answer(group)

    def _answer(self, group: Sequence[tuple[Request, Prompt]]) -> Iterator[Response]:
        """Answer requests alike in shape and settings, in one forward pass where it works."""
        start = time.perf_counter()
        try:
            with memory_guard():
                found = self._run(group)
        except OutOfMemory:
            raise
        # What breaks a batch is found one by one: the per-sample boundary.
        except Exception as error:
            if len(group) == 1:
                yield Response(group[0][0].sample_id, failure=describe(error))
                return
            for item in group:
                yield from self._answer([item])
            return
        seconds = (time.perf_counter() - start) / len(group)
        for (request, prompt), outcome in zip(group, found, strict=True):
            if isinstance(outcome, Failure):
                yield Response(request.sample_id, failure=outcome)
                continue
            text, tokens = outcome
            yield Response(
                request.sample_id,
                Text(text),
                seconds=seconds,
                usage={**prompt.usage, **tokens},
                details=prompt.details,
            )

    def _run(
        self, group: Sequence[tuple[Request, Prompt]]
    ) -> list[tuple[str, dict[str, int]] | Failure]:
        """Encode and generate; a prompt that is too long fails alone."""
        request = group[0][0]
        arguments = generation.arguments(request.settings)
        inputs = self.encode([prompt for _, prompt in group])
        lengths = [int(n) for n in inputs["attention_mask"].sum(-1)]
        failures = [self.too_long(n, arguments["max_new_tokens"]) for n in lengths]
        if any(failures):
            fitting = [item for item, failure in zip(group, failures, strict=True) if not failure]
            answers = iter(self._run(fitting) if fitting else [])
            return [failure or next(answers) for failure in failures]
        torch = need("torch", "any model")
        processors: list[Any] = []
        if sampled_beams(arguments):
            torch.manual_seed(generation.request_seed(request))
        elif arguments["do_sample"]:
            seeds = [generation.request_seed(request) for request, _ in group]
            processors = sampling_processors(arguments, seeds)
        stops = generation.stops(request.settings)
        with torch.inference_mode():
            tokens = self.new_tokens(inputs, arguments, stops, processors)
        found: list[tuple[str, dict[str, int]] | Failure] = []
        for text, row, length in zip(self.decode(tokens), tokens.tolist(), lengths, strict=True):
            usage = {"prompt_tokens": length, "new_tokens": self._count(row)}
            if self._cut_off(row, arguments["max_new_tokens"]) and not stopped(text, stops):
                usage["cut_off"] = 1
            found.append((cut(text, stops, strips=self.strips), usage))
        return found

    @property
    def generator(self) -> Any:
        """Return the module whose `generate` writes text."""
        return self.model

    def new_tokens(
        self,
        inputs: Mapping[str, Any],
        arguments: Mapping[str, Json],
        stops: Sequence[str],
        processors: Sequence[Any] = (),
    ) -> Any:
        """Generate: token ids of the answers alone, shape (batch, longest answer).

        `processors` change the scores of the next token after everything that `arguments` say.
        """
        from transformers import LogitsProcessorList

        sequences = self.generator.generate(
            **inputs,
            generation_config=self.generation_config(arguments),
            logits_processor=LogitsProcessorList(processors),
            **self._stopping(stops),
        )
        return answer_part(sequences, inputs.get("input_ids"))

    def generation_config(self, arguments: Mapping[str, Json]) -> Any:
        """Return a GenerationConfig of the task's settings and the model's token ids."""
        from transformers import GenerationConfig

        own = self.generator.generation_config
        ids = {name: getattr(own, name, None) for name in generation.TOKEN_IDS}
        return GenerationConfig(**{k: v for k, v in ids.items() if v is not None}, **arguments)

    def _stopping(self, stops: Sequence[str]) -> dict[str, Any]:
        """End a text early at a stop string; the text is cut there anyway."""
        if not stops:
            return {}
        from transformers import StoppingCriteriaList, StopStringCriteria

        criterion = StopStringCriteria(tokenizer=self.tokenizer, stop_strings=list(stops))
        return {"stopping_criteria": StoppingCriteriaList([criterion])}

    def decode(self, tokens: Any) -> list[str]:
        """Return the texts of token ids, without special tokens."""
        texts: list[str] = self.tokenizer.batch_decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts

    def too_long(self, tokens: int, room: int = 0) -> Failure | None:
        """Return a failure with the numbers when a prompt and its answer exceed the context."""
        limit = self.context_length
        if limit is None or tokens + room <= limit:
            return None
        return Failure.of(
            "generate",
            PromptTooLongError(
                f"the prompt has {tokens} tokens and the answer may have {room}, "
                f"over the model's context of {limit}; nothing was cut"
            ),
        )

    @property
    def context_length(self) -> int | None:
        """How many tokens the model's positions hold, or None when its config does not say."""
        config = self.model.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
            if isinstance(value := getattr(text, name, None), int) and value > 0:
                return value
        return None

    def to_device(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Move tensors to the model's device; floating point ones take the model's dtype."""
        torch = need("torch", "any model")
        device, dtype = device_of(self.model), self.model.dtype
        moved = {}
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor):
                kind = dtype if value.is_floating_point() else value.dtype
                moved[name] = value.to(device, kind)
            else:
                moved[name] = value
        return moved

    def close(self) -> None:
        self.model = self.tokenizer = None
        free()

    def _count(self, row: Sequence[int]) -> int:
        """Count an answer's tokens, padding after its end left out."""
        pad = self.tokenizer.pad_token_id
        end = len(row)
        while end and row[end - 1] == pad:
            end -= 1
        return end

    def _cut_off(self, row: Sequence[int], room: int) -> bool:
        """Tell whether an answer ended for want of room, not by itself."""
        ends = self.generator.generation_config.eos_token_id
        known = ends if isinstance(ends, list | tuple) else [ends]
        return self._count(row) >= room and row[self._count(row) - 1] not in known


def stopped(text: str, stops: Sequence[str]) -> bool:
    """Tell whether a text holds a stop string."""
    return any(stop in text for stop in stops)


def sampled_beams(arguments: Mapping[str, Json]) -> bool:
    """Tell whether beams are sampled, for which rows have no generators of their own."""
    return bool(arguments["do_sample"]) and arguments["num_beams"] > 1


def answer_part(sequences: Any, prompt: Any) -> Any:
    """Cut the prompt off where `generate` gives it back (decoder-only models)."""
    if prompt is None or sequences.shape[1] < prompt.shape[1]:
        return sequences
    length = prompt.shape[1]
    same = bool((sequences[:, :length] == prompt.to(sequences.device)).all())
    return sequences[:, length:] if same else sequences


def cut(text: str, stops: Sequence[str], *, strips: bool) -> str:
    """Return the text before the first stop string, without the white space around it."""
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    text = text[: min(found)] if found else text
    return text.strip() if strips else text

"""AnyGPT's language model: a Llama whose vocabulary has tokens for images, speech and music."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...types import Capability, Json, Modality, Request
from ..hf.causal import Causal
from ..hf.family import Checkpoint, LoadOptions
from ..hf.inputs import Piece, Prompt, decode
from ..slow_tokenizer import slow_tokenizer
from .parts import AnyGptParts
from .prompts import CHAT_END, END, MODEL, USER, USER_END, base, chat, instruction_for
from .tokens import (
    IMAGE,
    IMAGE_END,
    IMAGE_START,
    SPEECH,
    SPEECH_END,
    SPEECH_START,
    image_text,
    speech_text,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_RATE = 16_000  # of SpeechTokenizer
_NEEDED = (
    USER, MODEL, USER_END, END, IMAGE_START, IMAGE_END, f"<{IMAGE}0>", SPEECH_START, SPEECH_END,
    f"<{SPEECH}0>",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """A request's parts, decoded ahead of its turn; the voice to speak in apart."""

    pieces: tuple[Piece, ...]
    voice: npt.NDArray[np.float32] | None = None


class AnyGptLanguage(Causal):
    """The language model of an AnyGPT checkpoint."""

    kind = "anygpt"

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: LoadOptions,
        parts: AnyGptParts,
        *,
        chat: bool,
        instruction: str = "",
    ) -> None:
        super().__init__(checkpoint, options)
        self._parts = parts
        self._is_chat = chat
        self._instruction = instruction

    @property
    def capabilities(self) -> frozenset[Capability]:
        media: frozenset[Modality] = frozenset({"text", "image", "audio"})
        outputs: tuple[Modality, ...] = ("text", "image", "audio")
        return frozenset(Capability(media, output) for output in outputs)

    @property
    def scores_after(self) -> frozenset[Modality]:
        return frozenset({"text", "image", "audio"})

    def identity(self) -> dict[str, Json]:
        return {}

    def load_tokenizer(self) -> Any:
        loaded = super().load_tokenizer()  # says what is wrong with a folder without one
        return slow_tokenizer(self.checkpoint) or loaded

    def load(self) -> None:
        super().load()
        known = self.tokenizer.get_vocab()
        if missing := [token for token in _NEEDED if token not in known]:
            raise UsageError(
                f"{self.checkpoint.pretrained}: the tokenizer has no {' '.join(missing)}; "
                "give the folder of an AnyGPT checkpoint as released"
            )
        ends = [known[token] for token in (END, CHAT_END) if token in known]
        own = self.tokenizer.eos_token_id
        self.model.generation_config.eos_token_id = [*ends, *([] if own is None else [own])]
        self.tokenizer.padding_side = "left"

    def decoded(self, request: Request) -> Heard:
        """Decode a request's media; safe to call from several threads.

        A sound in a request for speech is the voice to speak in. Raises ValueError for two.
        """
        pieces = decode(request.parts, request.settings, rate=_RATE).pieces
        if request.want != "audio":
            return Heard(tuple(pieces))
        voices = [piece.value for piece in pieces if piece.kind == "audio"]
        if len(voices) > 1:
            raise ValueError(f"one voice to speak in is taken, the prompt has {len(voices)} sounds")
        rest = tuple(piece for piece in pieces if piece.kind != "audio")
        return Heard(rest, voices[0] if voices else None)

    def media_of(self, request: Request) -> Heard:
        """Return what was decoded ahead, or decode it now."""
        ready = request.prepared
        return ready if isinstance(ready, Heard) else self.decoded(request)

    def prepare(self, request: Request) -> object:
        return self.decoded(request)

    def read(self, request: Request) -> Prompt:
        pieces = [p for p in self.media_of(request).pieces if p.kind != "text" or p.value.strip()]
        if self._is_chat:
            return Prompt(chat("".join(self._written(self.media_of(request).pieces))))
        instruction = instruction_for([piece.kind for piece in pieces], request.want)
        if instruction and self._instruction:
            instruction = self._instruction
        shown = pieces if instruction else self.media_of(request).pieces
        content = "".join(self._written(shown))
        return Prompt(base(content.strip() if instruction else content, instruction, request.want))

    def _written(self, pieces: Sequence[Piece]) -> list[str]:
        images = [piece.value for piece in pieces if piece.kind == "image"]
        codes = iter(self._parts.image_codes(images) if images else [])
        written = []
        for piece in pieces:
            if piece.kind == "text":
                written.append(piece.value)
            elif piece.kind == "image":
                written.append(image_text(next(codes)))
            else:  # what is said, not how it sounds: the first level alone
                written.append(speech_text(self._parts.speech_codes(piece.value)[0]))
        return written

    def decode(self, tokens: Any) -> list[str]:
        ends = set(self.model.generation_config.eos_token_id)
        pad = self.tokenizer.pad_token_id
        texts = []
        for row in tokens.tolist():
            stop = next((place for place, token in enumerate(row) if token in ends), len(row))
            kept = row[:stop]
            while kept and kept[-1] == pad:
                kept = kept[:-1]
            texts.append(self.tokenizer.decode(kept, skip_special_tokens=False))
        return texts

    def with_options(self, **changed: Any) -> None:
        """Change how the model is loaded, before it is."""
        self.options = replace(self.options, **changed)

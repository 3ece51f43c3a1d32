"""AnyGPT's language model: a Llama whose vocabulary has tokens for images, speech and music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...types import Modality, Request
from ..hf.family import Checkpoint, LoadOptions
from ..hf.inputs import Piece, Prompt, decode
from ..token_llm.language import RATE, TokenLanguage
from ..token_llm.parts import Parts
from .prompts import CHAT_END, END, MODEL, USER, USER_END, base, chat, instruction_for
from .tokens import IMAGE, SPEECH

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Heard:
    """A request's parts, decoded ahead of its turn; the voice to speak in apart."""

    pieces: tuple[Piece, ...]
    voice: npt.NDArray[np.float32] | None = None


class AnyGptLanguage(TokenLanguage):
    """The language model of an AnyGPT checkpoint."""

    kind = "anygpt"
    release = "an AnyGPT checkpoint"
    takes: ClassVar[frozenset[Modality]] = frozenset({"text", "image", "audio"})
    image = IMAGE

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: LoadOptions,
        parts: Parts,
        *,
        chat: bool,
        instruction: str = "",
    ) -> None:
        super().__init__(checkpoint, options, parts)
        self._is_chat = chat
        self._instruction = instruction

    @property
    def needed(self) -> tuple[str, ...]:
        return (USER, MODEL, USER_END, END, *IMAGE.needed, *SPEECH.needed)

    def ends(self, known: Mapping[str, int]) -> int | list[int]:
        own = self.tokenizer.eos_token_id
        ends = [known[token] for token in (END, CHAT_END) if token in known]
        return [*ends, *([] if own is None else [own])]

    def decoded(self, request: Request) -> Heard:
        """Decode a request's media; safe to call from several threads.

        A sound in a request for speech is the voice to speak in. Raises ValueError for two.
        """
        pieces = decode(request.parts, request.settings, rate=RATE).pieces
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

    def read(self, request: Request) -> Prompt:
        pieces = [p for p in self.media_of(request).pieces if p.kind != "text" or p.value.strip()]
        if self._is_chat:
            return Prompt(chat(self.written(self.media_of(request).pieces)))
        instruction = instruction_for([piece.kind for piece in pieces], request.want)
        if instruction and self._instruction:
            instruction = self._instruction
        shown = pieces if instruction else self.media_of(request).pieces
        content = self.written(shown)
        return Prompt(base(content.strip() if instruction else content, instruction, request.want))

    def speech_text(self, levels: Sequence[Sequence[int]]) -> str:
        return SPEECH.write(levels[0])  # what is said, not how it sounds

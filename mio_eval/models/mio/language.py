"""MIO's language model: a Llama whose vocabulary has tokens for images and speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...types import Modality, Request
from ..hf.family import Checkpoint, LoadOptions
from ..hf.inputs import Decoded, Prompt, decode
from ..token_llm.language import RATE, TokenLanguage
from ..token_llm.parts import Parts
from .prompts import TURN_END, base, chat, system_prompt
from .tokens import IMAGE, SPEECH, speech_text

FRAMES = "mio-scenes"


@dataclass(frozen=True, slots=True)
class Wording:
    """How a prompt is put.

    Args:
        instruct: ChatML of the Instruct model, else the Base model's plain text.
        system: auto, std, voice or none.
        indented: lines start with 8 spaces, as in LIME's run of MIO.
    """

    instruct: bool = True
    system: str = "auto"
    indented: bool = False


class MioLanguage(TokenLanguage):
    """The language model of a MIO checkpoint."""

    kind = "mio"
    release = "a MIO checkpoint"
    takes: ClassVar[frozenset[Modality]] = frozenset({"text", "image", "audio", "video"})
    image = IMAGE

    def __init__(
        self, checkpoint: Checkpoint, options: LoadOptions, parts: Parts, wording: Wording
    ) -> None:
        super().__init__(checkpoint, options, parts)
        self._wording = wording

    @property
    def keeps_end(self) -> bool:
        return self._wording.instruct

    @property
    def needed(self) -> tuple[str, ...]:
        turn = (TURN_END,) if self._wording.instruct else ()
        return (*IMAGE.needed, *SPEECH.needed, *turn)

    def ends(self, known: Mapping[str, int]) -> int | list[int]:
        own: int = self.tokenizer.eos_token_id
        return known[TURN_END] if self._wording.instruct else own

    def decoded(self, request: Request) -> Decoded:
        settings = {"frames": FRAMES, **request.settings}
        return decode(request.parts, settings, rate=RATE, video_as_images=True)

    def read(self, request: Request) -> Prompt:
        ready = request.prepared
        if not isinstance(ready, Decoded):
            ready = self.decoded(request)
        text = self.written(ready.pieces)
        if not self._wording.instruct:
            prompt = base(text)
        else:
            system = system_prompt(self._wording.system, request.want)
            prompt = chat(text, system, indented=self._wording.indented)
        return Prompt(prompt, usage=ready.usage, details=ready.details)

    def speech_text(self, levels: Sequence[Sequence[int]]) -> str:
        return speech_text(levels[:1])  # what is said, not how it sounds

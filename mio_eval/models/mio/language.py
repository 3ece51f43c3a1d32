"""MIO's language model: a Llama whose vocabulary has tokens for images and speech.

Loaded, batched and decoded by what runs any causal language model (`mio_eval.models.hf`); only the
prompt differs. Images and sounds become tokens in the order of the request's parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import UsageError
from ...types import Capability, Json, Modality, Request
from ..hf.causal import Causal
from ..hf.family import Checkpoint, LoadOptions
from ..hf.inputs import Decoded, Piece, Prompt, decode
from ..slow_tokenizer import slow_tokenizer
from .parts import Parts
from .prompts import TURN_END, base, chat, system_prompt
from .tokens import image_text, speech_text

FRAMES = "mio-scenes"
_NEEDED = ("<image>", "</image>", "<img0>", "<spch>", "</spch>", "<spch0>")


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


class MioLanguage(Causal):
    """The language model of a MIO checkpoint."""

    kind = "mio"

    def __init__(
        self, checkpoint: Checkpoint, options: LoadOptions, parts: Parts, wording: Wording
    ) -> None:
        super().__init__(checkpoint, options)
        self._parts = parts
        self._wording = wording

    @property
    def capabilities(self) -> frozenset[Capability]:
        media: frozenset[Modality] = frozenset({"text", "image", "audio", "video"})
        outputs: tuple[Modality, ...] = ("text", "image", "audio")
        return frozenset(Capability(media, output) for output in outputs)

    @property
    def scores_after(self) -> frozenset[Modality]:
        return frozenset({"text", "image", "audio", "video"})

    @property
    def keeps_end(self) -> bool:
        return self._wording.instruct

    def identity(self) -> dict[str, Json]:
        return {}

    def load(self) -> None:
        super().load()
        known = self.tokenizer.get_vocab()
        needed = (*_NEEDED, TURN_END) if self._wording.instruct else _NEEDED
        if missing := [token for token in needed if token not in known]:
            raise UsageError(
                f"{self.checkpoint.pretrained}: the tokenizer has no {' '.join(missing)}; "
                "give the folder of a MIO checkpoint as released"
            )
        end = known[TURN_END] if self._wording.instruct else self.tokenizer.eos_token_id
        self.model.generation_config.eos_token_id = end
        self.tokenizer.padding_side = "left"

    def load_tokenizer(self) -> Any:
        loaded = super().load_tokenizer()  # says what is wrong with a folder without one
        return slow_tokenizer(self.checkpoint) or loaded

    def decoded(self, request: Request) -> Decoded:
        """Decode a request's media; safe to call from several threads."""
        settings = {"frames": FRAMES, **request.settings}
        return decode(request.parts, settings, rate=16_000, video_as_images=True)

    def prepare(self, request: Request) -> object:
        return self.decoded(request)

    def read(self, request: Request) -> Prompt:
        ready = request.prepared
        if not isinstance(ready, Decoded):
            ready = self.decoded(request)
        text = "".join(self._written(ready.pieces))
        if not self._wording.instruct:
            prompt = base(text)
        else:
            system = system_prompt(self._wording.system, request.want)
            prompt = chat(text, system, indented=self._wording.indented)
        return Prompt(prompt, usage=ready.usage, details=ready.details)

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
                written.append(speech_text(self._parts.speech_codes(piece.value)[:1]))
        return written

    def decode(self, tokens: Any) -> list[str]:
        end = self.model.generation_config.eos_token_id
        pad = self.tokenizer.pad_token_id
        texts = []
        for row in tokens.tolist():
            kept = row[: row.index(end)] if end in row else row
            while kept and kept[-1] == pad:
                kept = kept[:-1]
            texts.append(self.tokenizer.decode(kept, skip_special_tokens=False))
        return texts

    def with_options(self, **changed: Any) -> None:
        """Change how the model is loaded, before it is."""
        self.options = replace(self.options, **changed)

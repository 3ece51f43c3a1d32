"""A language model whose vocabulary has tokens for images and speech.

Loaded, batched and decoded by what runs any causal language model (`mio_eval.models.hf`); only the
prompt differs. Images and sounds become tokens in the order of the request's parts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ...errors import UsageError
from ...types import Capability, Json, Modality, Request
from ..hf.causal import Causal
from ..hf.family import Checkpoint, LoadOptions
from ..hf.inputs import Piece
from ..slow_tokenizer import slow_tokenizer
from .parts import Parts
from .tokens import Medium

RATE = 16_000  # of SpeechTokenizer


class TokenLanguage(Causal):
    """The language model of a released checkpoint. Subclasses lay out its prompts (`read`)."""

    release: ClassVar[str]
    """What a folder is asked to be: `a MIO checkpoint`."""
    takes: ClassVar[frozenset[Modality]]
    """What a prompt may hold."""
    image: ClassVar[Medium]
    """How an image stands in text."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions, parts: Parts) -> None:
        super().__init__(checkpoint, options)
        self._parts = parts

    @property
    @abstractmethod
    def needed(self) -> tuple[str, ...]:
        """Tokens without which a tokenizer is not the release's."""

    @abstractmethod
    def ends(self, known: Mapping[str, int]) -> int | list[int]:
        """Return the tokens that end an answer, out of a vocabulary."""

    @abstractmethod
    def decoded(self, request: Request) -> object:
        """Decode a request's media; safe to call from several threads."""

    @abstractmethod
    def speech_text(self, levels: Sequence[Sequence[int]]) -> str:
        """Write codes of speech, level by level, as a prompt has them."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        outputs: tuple[Modality, ...] = ("text", "image", "audio")
        return frozenset(Capability(self.takes, output) for output in outputs)

    @property
    def scores_after(self) -> frozenset[Modality]:
        return self.takes

    def identity(self) -> dict[str, Json]:
        return {}

    def load(self) -> None:
        super().load()
        known = self.tokenizer.get_vocab()
        if missing := [token for token in self.needed if token not in known]:
            raise UsageError(
                f"{self.checkpoint.pretrained}: the tokenizer has no {' '.join(missing)}; "
                f"give the folder of {self.release} as released"
            )
        self.model.generation_config.eos_token_id = self.ends(known)
        self.tokenizer.padding_side = "left"

    def load_tokenizer(self) -> Any:
        loaded = super().load_tokenizer()  # says what is wrong with a folder without one
        return slow_tokenizer(self.checkpoint) or loaded

    def prepare(self, request: Request) -> object:
        return self.decoded(request)

    def written(self, pieces: Sequence[Piece]) -> str:
        """Write pieces one after the other, media as tokens; nothing comes between them."""
        images = [piece.value for piece in pieces if piece.kind == "image"]
        codes = iter(self._parts.image_codes(images) if images else [])
        texts = []
        for piece in pieces:
            if piece.kind == "text":
                texts.append(piece.value)
            elif piece.kind == "image":
                texts.append(self.image.write(next(codes)))
            else:
                texts.append(self.speech_text(self._parts.speech_codes(piece.value)))
        return "".join(texts)

    def decode(self, tokens: Any) -> list[str]:
        own = self.model.generation_config.eos_token_id
        ends = set(own) if isinstance(own, list) else {own}
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

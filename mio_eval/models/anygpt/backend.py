"""The `anygpt` backend: text, images and speech in; text, images and speech out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ...errors import UsageError
from ...types import Json, Request
from ..hf.checkpoint import content_hash
from ..hf.settings import request_seed
from ..token_llm.backend import TokenLlm, package_versions
from . import presets
from .arguments import ARGUMENTS, PLACES
from .language import AnyGptLanguage
from .memory import language_bytes
from .parts import AnyGptParts, Storm
from .prompts import FROM_TEXT, TO_TEXT, answer
from .tokens import read_speech

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class AnyGpt(TokenLlm):
    """A released AnyGPT checkpoint, with its parts in the same or another folder."""

    name = "anygpt"
    arguments = ARGUMENTS
    example = "fnlp/AnyGPT-base"
    variants = ("base", "chat")
    choices: ClassVar[Mapping[str, Sequence[str]]] = {
        "resize": ("bicubic", "bilinear"),
        "vc": ("greedy", "sampled"),
    }
    places = PLACES

    _parts: AnyGptParts
    _language: AnyGptLanguage

    def __init__(self, pretrained: str = "", revision: str | None = None, **given: str) -> None:
        super().__init__(pretrained, revision, **given)
        self._chat = self._variant == "chat"
        self._instruction = given.get("instruction", "")
        if self._chat and self._instruction:
            raise UsageError(
                "model anygpt: instruction= is for the Base model; the Chat model's words are "
                "the task's prompt"
            )
        self._places = self._place(Path(given.get("models", pretrained)).expanduser())
        storm = self._storm()
        self._parts = AnyGptParts(self._placement(self._places), storm)
        self._language = AnyGptLanguage(
            self._checkpoint,
            self._options,
            self._parts,
            chat=self._chat,
            instruction=self._instruction,
        )

    def choices_made(self) -> dict[str, Json]:
        where, storm = self._parts.placement, self._parts.storm
        made: dict[str, Json] = {
            "variant": self._variant,
            "decoding": self._chosen["decoding"],
            "resize": where.resize,
            **where.identity(),
            "vc": {"steps": storm.steps, "greedy": storm.greedy},
            "versions": package_versions(),
            "parts": self._hashes,
        }
        if not self._chat:
            made["instruction"] = self._instruction or {
                **{f"{kind} to text": words for kind, words in TO_TEXT.items()},
                **{f"text to {kind}": words for kind, words in FROM_TEXT.items()},
            }
        return made

    @cached_property
    def _hashes(self) -> dict[str, Json]:
        """Content of the parts that are there; a task of text alone needs none."""
        return {name: _hash(path) for name, path in self._places.items() if path.exists()}

    def language_bytes(self) -> float:
        return language_bytes(self._folder, self._checkpoint, self._options)

    def settings(self, request: Request) -> dict[str, Json]:
        decoding = self._chosen["decoding"]
        return presets.settings(decoding, request.want, request.settings, chat=self._chat)

    def plain(self, text: str) -> str:
        return answer(text)

    def wave(self, request: Request, text: str) -> npt.NDArray[np.float32]:
        said = read_speech(text)
        voice = self._language.media_of(request).voice
        return self._parts.say(said, voice, request_seed(request))

    def _storm(self) -> Storm:
        steps = int(self._number("vc_steps", "3", int))
        if steps < 1:
            raise UsageError(f"model anygpt: vc_steps={steps}: expected at least 1")
        return Storm(self._places["soundstorm"], steps, self._chosen["vc"] == "greedy")


def _hash(path: Path) -> str:
    if path.is_dir():
        return content_hash(path)
    with path.open("rb") as file:
        return f"sha256:{file_digest(file, 'sha256').hexdigest()}"

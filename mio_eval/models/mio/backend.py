"""The `mio` backend: text, images, speech and video in; text, images and speech out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ...errors import UsageError
from ...types import Json, Modality, Request, Text
from ..hf.checkpoint import content_hash
from ..token_llm.backend import TokenLlm, package_versions
from ..token_llm.parts import Parts
from . import presets
from .arguments import ARGUMENTS, PLACES
from .language import MioLanguage, Wording
from .memory import language_bytes
from .prompts import SYSTEMS, answer
from .tokens import SPEECH, read_speech

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Mio(TokenLlm):
    """A released MIO checkpoint, with its media tokenizers in the same folder."""

    name = "mio"
    arguments = ARGUMENTS
    example = "m-a-p/MIO-7B-Instruct"
    variants = ("instruct", "base")
    choices: ClassVar[Mapping[str, Sequence[str]]] = {
        "resize": ("bilinear", "bicubic"),
        "system": SYSTEMS,
        "indent": ("off", "on"),
    }
    places = PLACES

    def __init__(self, pretrained: str = "", revision: str | None = None, **given: str) -> None:
        super().__init__(pretrained, revision, **given)
        chosen = self._chosen
        wording = Wording(self._variant == "instruct", chosen["system"], chosen["indent"] == "on")
        self._parts = Parts(self._placement(self._place(self._folder)))
        self._language = MioLanguage(self._checkpoint, self._options, self._parts, wording)

    def choices_made(self) -> dict[str, Json]:
        places = self._place(self._folder)
        elsewhere = {name: content_hash(places[name]) for name in places if name in self._given}
        made: dict[str, Json] = {
            "variant": self._variant,
            **{name: self._chosen[name] for name in ("decoding", "resize", "system", "indent")},
            **self._parts.placement.identity(),
            "versions": package_versions(),
        }
        return made | ({"parts": elsewhere} if elsewhere else {})

    def language_bytes(self) -> float:
        return language_bytes(self._folder, self._options)

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        self._fetch()
        super().load(inputs, output)

    def settings(self, request: Request) -> dict[str, Json]:
        return presets.settings(self._chosen["decoding"], request.want, request.settings)

    def plain(self, text: str) -> str:
        return answer(text)

    def wave(self, request: Request, text: str) -> npt.NDArray[np.float32]:
        last = request.parts[-1]
        opened = isinstance(last, Text) and last.text.rstrip().endswith(SPEECH.start)
        # The Base model's prompt ends with the start marker, which is then not written again.
        return self._parts.speak(read_speech(SPEECH.start + text if opened else text))

    def _fetch(self) -> None:
        """Bring the folders of a hub's release here; a local folder is already."""
        checkpoint = self._checkpoint
        if self._folder.is_dir() or all(name in self._given for name in self.places):
            return
        from huggingface_hub import snapshot_download

        patterns = [f"{folder}/*" for folder in self.places.values()]
        self.say(f"fetching the media tokenizers of {checkpoint.pretrained}")
        try:
            folder = snapshot_download(
                checkpoint.pretrained, revision=checkpoint.revision, allow_patterns=patterns
            )
        except OSError as error:
            raise UsageError(f"model mio: cannot fetch {checkpoint.pretrained}: {error}") from error
        self._folder = Path(folder)
        self._parts.placement = self._placement(self._place(self._folder))

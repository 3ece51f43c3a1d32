"""Text to speech (`tts`): VITS and MMS, SpeechT5 with HiFi-GAN, Bark, and what is like them.

Every text is spoken alone, under its own seed: nearly all of these models draw noise, and in a
batch the noise of one would depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from ...compat import import_torchvision
from ...errors import unknown
from ...types import Capability, Json, Part, Request, Response
from .family import Checkpoint, Family, LoadOptions
from .loading import free, need
from .pieces import one_by_one, words_of
from .voices import AnyVoice, Bark, SpeechT5, Vits, Voice
from .waves import wav_file

VOICES: Mapping[str, type[Voice]] = {"vits": Vits, "speecht5": SpeechT5, "bark": Bark}
_OTHERS = ("csm", "fastspeech2_conformer_with_hifigan")


class TextToSpeech(Family):
    """Models that speak a text. They hear nothing, so no voice prompt can be given."""

    kind = "tts"
    arguments: ClassVar[Mapping[str, str]] = {
        **Vits.takes,
        **SpeechT5.takes,
        **Bark.takes,
        **AnyVoice.takes,
    }

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        voice = VOICES.get(checkpoint.model_type, AnyVoice)
        for name in options.extra:
            if name not in voice.takes:
                raise unknown(f"argument of a {checkpoint.model_type} model", name, voice.takes)
        self._voice: Voice | None = voice(checkpoint, options)

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        if checkpoint.diffusers:
            return False
        if checkpoint.model_type == "speecht5":
            return "SpeechT5ForTextToSpeech" in checkpoint.architectures
        return checkpoint.model_type in (*VOICES, *_OTHERS)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability(frozenset({"text"}), "audio")})

    def identity(self) -> dict[str, Json]:
        assert self._voice is not None
        return self._voice.identity()

    def load(self) -> None:
        need("soundfile", "speaking", "pip install 'mio-eval[hf,speech]'")
        import_torchvision()  # transformers imports it where it is installed
        assert self._voice is not None
        self._voice.options = self.options
        self._voice.load()

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        return one_by_one(requests, self._speak)

    def close(self) -> None:
        def forget() -> None:
            if self._voice is not None:
                self._voice = type(self._voice)(self.checkpoint, self.options)

        free(forget)

    def _speak(self, request: Request) -> Part:
        text = words_of(request, self.kind)
        assert self._voice is not None
        samples, rate = self._voice.speak(text)
        return wav_file(samples, int(rate))

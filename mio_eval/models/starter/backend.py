"""The `starter` backend: small pretrained models that come inside packages, on the CPU.

It needs no hub, no GPU and no account, so that a fresh machine gets real scores of real models.
It is a weak system, on purpose not tuned to any benchmark: Whisper tiny.en for speech, and for
captions an ImageNet classifier whose label is put into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import UsageError
from ...media import load_audio, load_image
from ...types import Audio, Capability, Image, Media, Modality, Part, Request, Text
from ..base import Backend, ModelIdentity
from .assets import ASSETS, fetch

if TYPE_CHECKING:
    from .efficientnet import Classifier
    from .whisper import Transcriber


class Starter(Backend):
    """Whisper tiny.en (audio → text) and a verbalised image classifier (image → text)."""

    name = "starter"
    capabilities = frozenset(
        {
            Capability(frozenset({"audio", "text"}), "text"),
            Capability(frozenset({"image", "text"}), "text"),
        }
    )

    def __init__(self, threads: str = "1") -> None:
        if not threads.isdecimal() or int(threads) < 1:
            raise UsageError(f"model starter: threads={threads!r}, expected a number from 1 up")
        self._threads = int(threads)
        self._transcriber: Transcriber | None = None
        self._classifier: Classifier | None = None

    def identity(self) -> ModelIdentity:
        return ModelIdentity(
            backend=self.name,
            name=self.name,
            version=__version__,
            revision="+".join(f"{a.package}=={a.version}" for a in ASSETS.values()),
            dtype="int8 (speech), float32 (image)",
            extra={name: asset.wheel_sha256 for name, asset in ASSETS.items()},
        )

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        if "audio" in inputs and self._transcriber is None:
            from .whisper import Transcriber

            folder = fetch(ASSETS["whisper-tiny.en"], progress=self.say)
            self._transcriber = Transcriber(folder, threads=self._threads)
        if "image" in inputs and self._classifier is None:
            try:
                from .efficientnet import Classifier
            except ImportError as error:
                raise UsageError(
                    f"the starter's captioner needs torch ({error}): "
                    "pip install 'mio-eval[starter]'"
                ) from error
            folder = fetch(ASSETS["efficientnet-lite0"], progress=self.say)
            self._classifier = Classifier(folder / "efficientnet-lite0.pth", threads=self._threads)

    def answer(self, request: Request) -> Part:
        media = [part for part in request.parts if isinstance(part, Media)]
        if len(media) != 1:
            raise ValueError(f"the starter takes one image or sound a request, got {len(media)}")
        self.load(["audio" if isinstance(media[0], Audio) else "image"], "text")
        if isinstance(media[0], Audio):
            assert self._transcriber is not None
            return Text(self._transcriber.transcribe(load_audio(media[0])))
        if isinstance(media[0], Image):
            return Text(self._caption(media[0]))
        raise ValueError(f"the starter takes no {media[0].modality}")

    def _caption(self, image: Image) -> str:
        from .captioner import verbalise

        assert self._classifier is not None
        probabilities = self._classifier.probabilities([load_image(image)])[0]
        return verbalise(probabilities.tolist(), self._classifier.labels)

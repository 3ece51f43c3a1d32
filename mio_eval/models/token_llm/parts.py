"""The parts around the language model of a release, each loaded when a task first needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import UsageError
from ...types import Json, Modality
from .memory import BYTES, weight_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

    from ..seed2.tokenizer import SeedTokenizer
    from ..seed2.unclip import UnClip
    from ..speech_tokenizer.codec import SpeechTokenizer


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the parts are and run.

    Args:
        images, painter, speech: folders of the image tokenizer, unCLIP and the speech tokenizer.
        device: where all of them run.
        image_dtype, painter_dtype: names of torch dtypes; speech is float32, as released.
        resize: how an image is brought to size, bilinear or bicubic.
        latent_seed: of the latent every painted image starts from.
        steps, guidance: of unCLIP.
    """

    images: Path
    painter: Path
    speech: Path
    device: str = "cpu"
    image_dtype: str = "float32"
    painter_dtype: str = "float32"
    resize: str = "bilinear"
    latent_seed: int = 0
    steps: int = 20
    guidance: float = 10.0

    def identity(self) -> dict[str, Json]:
        """Return what of the images may change an answer."""
        return {
            "image_dtype": self.image_dtype,
            "painter": {
                "dtype": self.painter_dtype,
                "steps": self.steps,
                "guidance": self.guidance,
                "latent_seed": self.latent_seed,
            },
        }


class Parts:
    """Image tokenizer, painter and speech tokenizer."""

    speech_weights: ClassVar[str] = "SpeechTokenizer.pt"
    """The file of the speech tokenizer's weights in its folder."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self._images: SeedTokenizer | None = None
        self._painter: UnClip | None = None
        self._speech: SpeechTokenizer | None = None

    @property
    def images(self) -> SeedTokenizer:
        """The image tokenizer."""
        if self._images is None:
            from ..seed2.tokenizer import SeedTokenizer

            where = self.placement
            self._images = SeedTokenizer.from_folder(
                where.images, where.device, _dtype(where.image_dtype)
            )
        return self._images

    @property
    def painter(self) -> UnClip:
        """The painter of images. Raises UsageError when it does not take the tokenizer's output."""
        if self._painter is None:
            from ..seed2.unclip import UnClip

            where = self.placement
            painter = UnClip(
                where.painter, where.device, _dtype(where.painter_dtype), where.latent_seed
            )
            if painter.embedding != self.images.sizes.embedding:
                raise UsageError(
                    f"{where.painter} takes embeddings of width {painter.embedding}, "
                    f"{where.images} gives {self.images.sizes.embedding}"
                )
            self._painter = painter
        return self._painter

    @property
    def speech(self) -> SpeechTokenizer:
        """The speech tokenizer."""
        if self._speech is None:
            from ..speech_tokenizer.codec import SpeechTokenizer

            where = self.placement
            self._speech = SpeechTokenizer.from_folder(
                where.speech, where.device, self.speech_weights
            )
        return self._speech

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Load what a task with these modalities needs. Raises UsageError."""
        if _with_images(inputs, output):
            _ = self.images
        if output == "image":
            _ = self.painter
        if _with_speech(inputs, output):
            _ = self.speech

    def weights(self, inputs: Sequence[Modality], output: Modality) -> dict[str, float]:
        """Return the bytes of each part that `load` loads; its files are taken to be float32."""
        where = self.placement
        need: dict[str, float] = {}
        if _with_images(inputs, output):
            size = weight_bytes(where.images, deep=True)
            need["image tokenizer"] = size / 4 * BYTES[where.image_dtype]
        if output == "image":
            size = weight_bytes(where.painter, deep=True)
            need["unCLIP"] = size / 4 * BYTES[where.painter_dtype]
        if _with_speech(inputs, output):
            need["speech tokenizer"] = float(weight_bytes(where.speech, deep=True))
        return need

    def image_codes(self, images: Sequence[PIL.Image.Image]) -> list[list[int]]:
        """Return the codes of RGB images, one by one as the release does."""
        found: list[list[int]] = []
        for image in images:
            pixels = self.images.pixels(image, self.placement.resize)
            found += self.images.encode(pixels[None]).tolist()
        return found

    def speech_codes(self, wave: npt.NDArray[np.float32]) -> list[list[int]]:
        """Return the codes of a mono wave at the tokenizer's rate, level by level."""
        codes: list[list[int]] = self.speech.encode(wave).tolist()
        return codes

    def paint(self, codes: Sequence[int], seed: int) -> PIL.Image.Image:
        """Paint the image that codes stand for."""
        import torch

        embedding = self.images.embed(torch.tensor([codes]))[0]
        where = self.placement
        return self.painter.paint(embedding, seed, where.steps, where.guidance)

    def speak(self, codes: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return the wave that codes stand for."""
        import torch

        return self.speech.decode(torch.tensor(codes))

    def close(self) -> None:
        """Free what was loaded."""
        self._images = self._painter = self._speech = None


def _with_images(inputs: Sequence[Modality], output: Modality) -> bool:
    return bool({"image", "video"} & set(inputs)) or output == "image"


def _with_speech(inputs: Sequence[Modality], output: Modality) -> bool:
    return "audio" in inputs or output == "audio"


def _dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)

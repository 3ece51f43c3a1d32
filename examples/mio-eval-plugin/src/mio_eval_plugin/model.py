"""A model in the smallest form that uses what the engine offers: it names the mean colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mio_eval.errors import UsageError
from mio_eval.media import load_image
from mio_eval.models.base import Backend, ModelIdentity, describe
from mio_eval.types import Capability, Image, Request, Response, Text

NAMES = ("red", "green", "blue")


class MeanColour(Backend):
    """Says which of red, green and blue a picture has most of.

    Args:
        shades: how many steps of brightness it tells apart.
    """

    name = "mean-colour"
    capabilities = frozenset({Capability(frozenset({"image", "text"}), "text")})
    batch_size = 32

    def __init__(self, shades: str = "2") -> None:
        # Arguments come from --model-args, as text.
        if not shades.isdecimal() or int(shades) < 1:
            raise UsageError(f"model mean-colour: shades={shades!r}, expected a number from 1 up")
        self.shades = int(shades)

    def identity(self) -> ModelIdentity:
        # Everything that may change an answer: cached answers are shared between equal identities.
        return ModelIdentity(self.name, self.name, "0.1.0", extra={"shades": self.shades})

    def prepare(self, request: Request) -> object:
        # Called ahead, in several threads: decoding does not keep the model waiting.
        (image,) = (part for part in request.parts if isinstance(part, Image))
        return load_image(image).resize((8, 8)).tobytes()

    def cost(self, request: Request) -> float:
        return 1.0  # all pictures are the same work

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        for request in requests:
            try:
                pixels = request.prepared or self.prepare(request)
                assert isinstance(pixels, bytes)
                yield Response(request.sample_id, Text(self._describe(pixels)))
            # One picture must not fail the others of its batch.
            except Exception as error:
                yield Response(request.sample_id, failure=describe(error))

    def _describe(self, pixels: bytes) -> str:
        means = [sum(pixels[channel::3]) / len(pixels[channel::3]) for channel in range(3)]
        shade = min(self.shades - 1, int(self.shades * max(means) / 256))
        light = "dark" if 2 * shade < self.shades - 1 else "light"
        return f"a {light} picture with a lot of {NAMES[means.index(max(means))]}"

"""The base of released systems that read and write media as tokens of their language model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from ... import __version__
from ...errors import UsageError, unknown
from ...types import Capability, Json, Modality, Part, Request, Response, Text
from ..base import Backend, ModelIdentity, describe
from ..hf.checkpoint import content_hash, read_checkpoint, short_name
from ..hf.family import LoadOptions
from ..hf.loading import check_options, resolve_device, resolve_dtype, versions
from ..hf.pictures import png_file
from ..hf.settings import request_seed
from ..hf.waves import wav_file
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from .language import TokenLanguage
from .memory import refuse_too_large
from .parts import Parts, Placement
from .presets import CHOICES as DECODING
from .tokens import read_image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DTYPES = ("float32", "float16", "bfloat16")


class TokenLlm(Backend):
    """A released checkpoint. Nothing is loaded before a task needs it.

    A subclass says what is particular to its release; its constructor makes `_parts` and
    `_language` of what this one has checked.
    """

    arguments: ClassVar[Mapping[str, str]]
    """What `--model-args` takes."""
    example: ClassVar[str]
    """Hub id of a checkpoint."""
    variants: ClassVar[tuple[str, str]]
    """The release's two models; the second is the one whose name is in the checkpoint's."""
    choices: ClassVar[Mapping[str, Sequence[str]]]
    """Arguments of this release that take one of a few values, the default first."""
    places: ClassVar[Mapping[str, str]]
    """Arguments that say where a part is → where it is in the release."""

    _parts: Parts
    _language: TokenLanguage

    def __init__(self, pretrained: str = "", revision: str | None = None, **given: str) -> None:
        choices: Mapping[str, Sequence[str]] = {
            "variant": ("auto", *self.variants),
            "decoding": DECODING,
            "image_dtype": DTYPES,
            "painter_dtype": DTYPES,
            **self.choices,
        }
        for name, value in given.items():
            if name not in self.arguments:
                raise unknown(f"argument of model {self.name}", name, self.arguments)
            if name in choices and value not in choices[name]:
                raise unknown(f"{name} of model {self.name}", value, choices[name])
        if not pretrained:
            raise UsageError(f"model {self.name} needs pretrained=…: a folder, or {self.example}")
        self._given = given
        self._chosen = {name: given.get(name, values[0]) for name, values in choices.items()}
        self._checkpoint = read_checkpoint(pretrained, revision)
        self._folder = Path(self._checkpoint.pretrained).expanduser()
        self._options = LoadOptions(
            dtype=given.get("dtype", "auto"),
            device=given.get("device", ""),
            device_map=given.get("device_map", ""),
            attn=given.get("attn", ""),
        )
        check_options(self._checkpoint, self._options)
        self._variant = self._chosen["variant"]
        if self._variant == "auto":
            usual, other = self.variants
            own = pretrained.rstrip("/").rpartition("/")[2].lower()
            self._variant = other if other in own else usual
        self.prompt_styles = (f"{self.name}-{self._variant}",)
        self._loaded = False

    @abstractmethod
    def choices_made(self) -> dict[str, Json]:
        """Return what, beside the language model and its dtype, may change an answer."""

    @abstractmethod
    def language_bytes(self) -> float:
        """Return the bytes that the language model takes."""

    @abstractmethod
    def settings(self, request: Request) -> dict[str, Json]:
        """Return a request's generation settings, under the decoding preset."""

    @abstractmethod
    def plain(self, text: str) -> str:
        """Return an answer in text, without markers."""

    @abstractmethod
    def wave(self, request: Request, text: str) -> npt.NDArray[np.float32]:
        """Return the wave of the speech in what the model wrote, at the tokenizer's rate.

        Raises ValueError where there is none.
        """

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        return self._language.capabilities

    @property
    def loglikelihood_inputs(self) -> frozenset[Modality]:
        """Modalities of the prompts that text is scored after."""
        return self._language.scores_after

    def identity(self) -> ModelIdentity:
        extra = self.choices_made()
        if self._options.attn:
            extra["attn"] = self._options.attn
        if self.deterministic:
            extra["deterministic"] = True
        return ModelIdentity(
            backend=self.name,
            name=short_name(self._checkpoint.pretrained),
            version=__version__,
            revision=self._revision,
            dtype=resolve_dtype(self._options, self._checkpoint),
            extra=extra,
        )

    @cached_property
    def _revision(self) -> str:
        return self._checkpoint.revision or content_hash(self._folder)

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        if not self._loaded:
            self._check_memory(inputs, output)
            self._language.with_options(deterministic=self.deterministic)
            self._language.load()
            self._loaded = True
        self._parts.load(inputs, output)

    def _check_memory(self, inputs: Sequence[Modality], output: Modality) -> None:
        """Refuse to load what does not fit. Raises UsageError with the sizes.

        A model spread by device_map is not checked.
        """
        if self._options.device_map:
            return
        need = {"language model": self.language_bytes(), **self._parts.weights(inputs, output)}
        refuse_too_large(self.name, need, self._parts.placement.device)

    def prepare(self, request: Request) -> object:
        return self._language.prepare(request)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        asked = {
            request.sample_id: replace(request, settings=self.settings(request))
            for request in requests
        }
        for response in self._language.generate(list(asked.values())):
            yield self._finished(asked[response.sample_id], response)

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Score continuations after text and media."""
        media = [part.modality for request in requests for part in request.parts]
        self.load(cast("list[Modality]", media), "text")
        return self._language.loglikelihood(requests)

    def close(self) -> None:
        self._parts.close()
        self._language.close()
        self._loaded = False

    def _finished(self, request: Request, response: Response) -> Response:
        """Turn what the model wrote into what was asked for."""
        if not isinstance(response.output, Text):
            return response
        try:
            output = self._output(request, response.output.text)
        # The per-sample boundary: a malformed output fails its sample alone.
        except Exception as error:
            return replace(response, output=None, failure=describe(error))
        return replace(response, output=output)

    def _output(self, request: Request, text: str) -> Part:
        if request.want == "text":
            return Text(self.plain(text))
        if request.want == "image":
            sizes = self._parts.images.sizes
            codes = read_image(self._language.image, text, sizes.queries, sizes.codes[0])
            return png_file(self._parts.paint(codes, request_seed(request)))
        return wav_file(self.wave(request, text), self._parts.speech.rate)

    def _place(self, root: Path) -> dict[str, Path]:
        """Return where each part is: as given, else at its place in the release at `root`."""
        return {
            name: Path(self._given[name]).expanduser() if name in self._given else root / default
            for name, default in self.places.items()
        }

    def _placement(self, places: Mapping[str, Path]) -> Placement:
        """Return how the parts run. Raises UsageError."""
        return Placement(
            images=places["images"],
            painter=places["painter"],
            speech=places["speech"],
            device=self._given.get("media_device") or resolve_device(self._options),
            image_dtype=self._chosen["image_dtype"],
            painter_dtype=self._chosen["painter_dtype"],
            resize=self._chosen["resize"],
            latent_seed=int(self._number("latent_seed", "0", int)),
            steps=int(self._number("steps", "20", int)),
            guidance=self._number("guidance", "10", float),
        )

    def _number(self, name: str, default: str, kind: Callable[[str], float]) -> float:
        """Read a number among the arguments. Raises UsageError."""
        text = self._given.get(name, default)
        try:
            return kind(text)
        except ValueError as error:
            raise UsageError(f"model {self.name}: {name}={text}: expected a number") from error


def package_versions() -> Json:
    """Return the versions of what runs a release."""
    return versions("transformers", "torch", "tokenizers", "diffusers")

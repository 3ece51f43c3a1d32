"""The `mio` backend: text, images, speech and video in; text, images and speech out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

from ... import __version__
from ...errors import UsageError, unknown
from ...types import Capability, Json, Modality, Part, Request, Response, Text
from ..base import Backend, ModelIdentity, describe
from ..hf.checkpoint import content_hash, read_checkpoint
from ..hf.family import LoadOptions
from ..hf.loading import check_options, resolve_dtype, versions
from ..hf.settings import request_seed
from ..hf.waves import wav_file
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from . import presets
from .arguments import ARGUMENTS, IMAGES, PAINTER, SPEECH
from .helpers import default_device, number, png, short_name
from .language import MioLanguage, Wording
from .memory import check_memory
from .parts import Parts, Placement
from .prompts import SYSTEMS, answer
from .tokens import SPEECH_START, read_image, read_speech

_CHOICES = {
    "variant": ("auto", "instruct", "base"),
    "decoding": ("task", *presets.PRESETS),
    "image_dtype": ("float32", "float16", "bfloat16"),
    "painter_dtype": ("float32", "float16", "bfloat16"),
    "resize": ("bilinear", "bicubic"),
    "system": SYSTEMS,
    "indent": ("off", "on"),
}
_DEFAULTS = {"decoding": "task", "resize": "bilinear", "system": "auto", "indent": "off"}


class Mio(Backend):
    """A released MIO checkpoint. Nothing is loaded before a task needs it."""

    name = "mio"

    def __init__(self, pretrained: str = "", revision: str | None = None, **given: str) -> None:
        for name, value in given.items():
            if name not in ARGUMENTS:
                raise unknown("argument of model mio", name, ARGUMENTS)
            if name in _CHOICES and value not in _CHOICES[name]:
                raise unknown(f"{name} of model mio", value, _CHOICES[name])
        if not pretrained:
            raise UsageError("model mio needs pretrained=…: a folder, or m-a-p/MIO-7B-Instruct")
        self._given = given
        checkpoint = read_checkpoint(pretrained, revision)
        self._folder = Path(checkpoint.pretrained).expanduser()
        options = LoadOptions(
            dtype=given.get("dtype", "auto"),
            device=given.get("device", ""),
            device_map=given.get("device_map", ""),
            attn=given.get("attn", ""),
        )
        check_options(checkpoint, options)
        variant = given.get("variant", "auto")
        if variant == "auto":
            variant = "base" if "base" in pretrained.rstrip("/").rpartition("/")[2].lower() else ""
        self._instruct = variant != "base"
        self.prompt_styles = ("mio-instruct",) if self._instruct else ("mio-base",)
        self._options = {n: given.get(n, default) for n, default in _DEFAULTS.items()}
        wording = Wording(self._instruct, self._options["system"], self._options["indent"] == "on")
        self._parts = Parts(self._placement(given))
        self._language = MioLanguage(checkpoint, options, self._parts, wording)
        self._loaded = False
        self.loglikelihood_inputs = self._language.scores_after

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        return self._language.capabilities

    def identity(self) -> ModelIdentity:
        where = self._parts.placement
        checkpoint = self._language.checkpoint
        extra: dict[str, Json] = {
            "variant": "instruct" if self._instruct else "base",
            **self._options,
            "image_dtype": where.image_dtype,
            "painter": {
                "dtype": where.painter_dtype,
                "steps": where.steps,
                "guidance": where.guidance,
                "latent_seed": where.latent_seed,
            },
            "versions": versions("transformers", "torch", "tokenizers", "diffusers"),
        }
        elsewhere = {n: content_hash(Path(self._given[n])) for n in _FOLDERS if n in self._given}
        return ModelIdentity(
            backend=self.name,
            name=short_name(checkpoint.pretrained),
            version=__version__,
            revision=self._revision,
            dtype=resolve_dtype(self._language.options, checkpoint),
            extra={**extra, **elsewhere, **({"deterministic": True} if self.deterministic else {})},
        )

    @cached_property
    def _revision(self) -> str:
        return self._language.checkpoint.revision or content_hash(self._folder)

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        sees = "image" in inputs or "video" in inputs or output == "image"
        hears = "audio" in inputs or output == "audio"
        self._fetch()
        if not self._loaded:
            check_memory(
                self._folder, self._language.options, self._parts.placement, inputs, output
            )
            self._language.with_options(deterministic=self.deterministic)
            self._language.load()
            self._loaded = True
        if sees:
            _ = self._parts.images
        if output == "image":
            _ = self._parts.painter
        if hears:
            _ = self._parts.speech

    def prepare(self, request: Request) -> object:
        return self._language.prepare(request)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        asked = {request.sample_id: self._with_preset(request) for request in requests}
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

    def _with_preset(self, request: Request) -> Request:
        decoding = self._options["decoding"]
        return replace(request, settings=presets.settings(decoding, request.want, request.settings))

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
            return Text(answer(text))
        if request.want == "image":
            sizes = self._parts.images.sizes
            codes = read_image(text, sizes.queries, sizes.codes[0])
            return png(self._parts.paint(codes, request_seed(request)))
        last = request.parts[-1]
        opened = isinstance(last, Text) and last.text.rstrip().endswith(SPEECH_START)
        # The Base model's prompt ends with the start marker, which is then not written again.
        levels = read_speech(SPEECH_START + text if opened else text)
        return wav_file(self._parts.speak(levels), self._parts.speech.rate)

    def _placement(self, given: Mapping[str, str]) -> Placement:
        folders = {n: Path(given.get(n, str(self._folder / d))) for n, d in _FOLDERS.items()}
        return Placement(
            images=folders["images"],
            painter=folders["painter"],
            speech=folders["speech"],
            device=given.get("media_device") or given.get("device") or default_device(),
            image_dtype=given.get("image_dtype", "float32"),
            painter_dtype=given.get("painter_dtype", "float32"),
            resize=self._options["resize"],
            latent_seed=int(number("mio", given, "latent_seed", "0", int)),
            steps=int(number("mio", given, "steps", "20", int)),
            guidance=number("mio", given, "guidance", "10", float),
        )

    def _fetch(self) -> None:
        """Bring the folders of a hub's release here; a local folder is already."""
        checkpoint = self._language.checkpoint
        if self._folder.is_dir() or all(name in self._given for name in _FOLDERS):
            return
        from huggingface_hub import snapshot_download

        patterns = [f"{folder}/*" for folder in _FOLDERS.values()]
        self.say(f"fetching the media tokenizers of {checkpoint.pretrained}")
        try:
            folder = snapshot_download(
                checkpoint.pretrained, revision=checkpoint.revision, allow_patterns=patterns
            )
        except OSError as error:
            raise UsageError(f"model mio: cannot fetch {checkpoint.pretrained}: {error}") from error
        self._folder = Path(folder)
        self._parts.placement = self._placement(self._given)


_FOLDERS = {"images": IMAGES, "painter": PAINTER, "speech": SPEECH}

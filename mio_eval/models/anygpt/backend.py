"""The `anygpt` backend: text, images and speech in; text, images and speech out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import file_digest
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
from ..mio.helpers import default_device, number, png, short_name
from ..mio.parts import Placement
from . import presets
from .arguments import ARGUMENTS, IMAGES, PAINTER, SOUNDSTORM, SPEECH
from .language import AnyGptLanguage
from .memory import check_memory
from .parts import AnyGptParts, Storm
from .prompts import FROM_TEXT, TO_TEXT, answer
from .tokens import read_image, read_speech

_DTYPES = ("float32", "float16", "bfloat16")
_CHOICES = {
    "variant": ("auto", "base", "chat"),
    "decoding": presets.CHOICES,
    "image_dtype": _DTYPES,
    "painter_dtype": _DTYPES,
    "resize": ("bicubic", "bilinear"),
    "vc": ("greedy", "sampled"),
}
_PLACES = {"images": IMAGES, "painter": PAINTER, "speech": SPEECH, "soundstorm": SOUNDSTORM}


class AnyGpt(Backend):
    """A released AnyGPT checkpoint. Nothing is loaded before a task needs it."""

    name = "anygpt"

    def __init__(self, pretrained: str = "", revision: str | None = None, **given: str) -> None:
        for name, value in given.items():
            if name not in ARGUMENTS:
                raise unknown("argument of model anygpt", name, ARGUMENTS)
            if name in _CHOICES and value not in _CHOICES[name]:
                raise unknown(f"{name} of model anygpt", value, _CHOICES[name])
        if not pretrained:
            raise UsageError("model anygpt needs pretrained=…: a folder, or fnlp/AnyGPT-base")
        checkpoint = read_checkpoint(pretrained, revision)
        options = LoadOptions(
            dtype=given.get("dtype", "auto"),
            device=given.get("device", ""),
            device_map=given.get("device_map", ""),
            attn=given.get("attn", ""),
        )
        check_options(checkpoint, options)
        variant = given.get("variant", "auto")
        if variant == "auto":
            name = pretrained.rstrip("/").rpartition("/")[2].lower()
            variant = "chat" if "chat" in name else "base"
        self._chat = variant == "chat"
        self._instruction = given.get("instruction", "")
        if self._chat and self._instruction:
            raise UsageError(
                "model anygpt: instruction= is for the Base model; the Chat model's words are "
                "the task's prompt"
            )
        self._decoding = given.get("decoding", "task")
        self.prompt_styles = (f"anygpt-{variant}",)
        models = Path(given.get("models", pretrained)).expanduser()
        self._places = {
            name: Path(given[name]).expanduser() if name in given else models / default
            for name, default in _PLACES.items()
        }
        self._parts = AnyGptParts(*self._placement(given))
        self._language = AnyGptLanguage(
            checkpoint, options, self._parts, chat=self._chat, instruction=self._instruction
        )
        self._loaded = False
        self.loglikelihood_inputs = self._language.scores_after

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        return self._language.capabilities

    def identity(self) -> ModelIdentity:
        where, storm = self._parts.placement, self._parts.storm
        checkpoint = self._language.checkpoint
        extra: dict[str, Json] = {
            "variant": "chat" if self._chat else "base",
            "decoding": self._decoding,
            "resize": where.resize,
            "image_dtype": where.image_dtype,
            "painter": {
                "dtype": where.painter_dtype,
                "steps": where.steps,
                "guidance": where.guidance,
                "latent_seed": where.latent_seed,
            },
            "vc": {"steps": storm.steps, "greedy": storm.greedy},
            "versions": versions("transformers", "torch", "tokenizers", "diffusers"),
            "parts": self._hashes,
        }
        if not self._chat:
            extra["instruction"] = self._instruction or {
                **{f"{kind} to text": words for kind, words in TO_TEXT.items()},
                **{f"text to {kind}": words for kind, words in FROM_TEXT.items()},
            }
        if self.deterministic:
            extra["deterministic"] = True
        return ModelIdentity(
            backend=self.name,
            name=short_name(checkpoint.pretrained),
            version=__version__,
            revision=self._revision,
            dtype=resolve_dtype(self._language.options, checkpoint),
            extra=extra,
        )

    @cached_property
    def _revision(self) -> str:
        checkpoint = self._language.checkpoint
        return checkpoint.revision or content_hash(Path(checkpoint.pretrained).expanduser())

    @cached_property
    def _hashes(self) -> dict[str, Json]:
        """Content of the parts that are there; a task of text alone needs none."""
        return {name: _hash(path) for name, path in self._places.items() if path.exists()}

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        if not self._loaded:
            options = self._language.options
            check_memory(self._language.checkpoint, options, self._parts, inputs, output)
            self._language.with_options(deterministic=self.deterministic)
            self._language.load()
            self._loaded = True
        if "image" in inputs or output == "image":
            _ = self._parts.images
        if output == "image":
            _ = self._parts.painter
        if "audio" in inputs or output == "audio":
            _ = self._parts.speech
        if output == "audio":
            _ = self._parts.soundstorm

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
        chosen = presets.settings(self._decoding, request.want, request.settings, chat=self._chat)
        return replace(request, settings=chosen)

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
        seed = request_seed(request)
        if request.want == "image":
            sizes = self._parts.images.sizes
            codes = read_image(text, sizes.queries, sizes.codes[0])
            return png(self._parts.paint(codes, seed))
        said = read_speech(text)
        wave = self._parts.say(said, self._language.media_of(request).voice, seed)
        return wav_file(wave, self._parts.speech.rate)

    def _placement(self, given: Mapping[str, str]) -> tuple[Placement, Storm]:
        steps = int(number("anygpt", given, "vc_steps", "3", int))
        if steps < 1:
            raise UsageError(f"model anygpt: vc_steps={steps}: expected at least 1")
        place = Placement(
            images=self._places["images"],
            painter=self._places["painter"],
            speech=self._places["speech"],
            device=given.get("media_device") or given.get("device") or default_device(),
            image_dtype=given.get("image_dtype", "float32"),
            painter_dtype=given.get("painter_dtype", "float32"),
            resize=given.get("resize", "bicubic"),
            latent_seed=int(number("anygpt", given, "latent_seed", "0", int)),
            steps=int(number("anygpt", given, "steps", "20", int)),
            guidance=number("anygpt", given, "guidance", "10", float),
        )
        storm = Storm(self._places["soundstorm"], steps, given.get("vc", "greedy") == "greedy")
        return place, storm


def _hash(path: Path) -> str:
    if path.is_dir():
        return content_hash(path)
    with path.open("rb") as file:
        return f"sha256:{file_digest(file, 'sha256').hexdigest()}"

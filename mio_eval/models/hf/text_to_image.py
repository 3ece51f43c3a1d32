"""Text to image with diffusers (`t2i`): Stable Diffusion, SDXL, SD3, Flux and the others.

Every image has its own generator, on the CPU, so that it depends on neither batch nor device.
What a prompt loses to a text encoder's limit, and what a safety checker blacks out, is a failed
sample: neither is the model's answer to the prompt.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ...compat import import_torchvision
from ...errors import UsageError
from ...types import Capability, Json, Part, Request, Response
from ..base import describe
from .family import Checkpoint, Family, LoadOptions
from .loading import (
    forbid_variation,
    free,
    hub_arguments,
    need,
    plain_errors,
    quiet,
    resolve_device,
    resolve_dtype,
)
from .pictures import png_file
from .pieces import alike, choice, together, words_of
from .settings import request_seed
from .token_images import TokenImages

__all__ = ["Diffusers", "SafetyChecker", "TokenImages"]

DIFFUSERS = "pip install 'mio-eval[hf]'"
# Settings of a task, also `--model-args`, that go to the pipeline when it takes them.
SETTINGS: Mapping[str, type[int] | type[float] | type[str]] = {
    "num_inference_steps": int,
    "guidance_scale": float,
    "height": int,
    "width": int,
    "negative_prompt": str,
    "true_cfg_scale": float,
    "guidance_rescale": float,
    "max_sequence_length": int,
}
_FLAGS = ("nsfw_content_detected", "nsfw_detected", "watermark_detected")
_NO_LIMIT = 100_000  # a tokenizer that says more has no limit of its own


class SafetyChecker(Exception):  # noqa: N818  # the name of the failure, as runs record it
    """The pipeline's safety checker blacked the image out."""


class Diffusers(Family):
    """Any text-to-image pipeline of diffusers."""

    kind = "t2i"
    arguments: ClassVar[Mapping[str, str]] = {
        "num_inference_steps": "denoising steps (default: the task's, else the pipeline's)",
        "guidance_scale": "classifier-free guidance (default: the same)",
        "height": "pixels (default: the same)",
        "width": "pixels (default: the same)",
        "negative_prompt": "what images should not show (default: the same)",
        "true_cfg_scale": "guidance of distilled models such as Flux (default: the same)",
        "guidance_rescale": "see the pipeline (default: the same)",
        "max_sequence_length": "tokens a T5 or LLM text encoder reads (default: the same)",
        "long_prompts": "fail (default), or truncate prompts over the text encoder's limit",
        "safety_checker": "on (default: a checkpoint's own runs), or off",
        "variant": "file variant of the checkpoint, such as fp16",
    }

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        if options.adapter or options.quantization or options.attn:
            raise UsageError(
                "adapter, quantization and attn are for transformers models; "
                f"{checkpoint.pretrained} is a diffusers pipeline"
            )
        self._long = choice(options.extra, "long_prompts", ("fail", "truncate"))
        self._checker = choice(options.extra, "safety_checker", ("on", "off"))
        self._chosen = {
            name: _read(name, options.extra[name]) for name in SETTINGS if name in options.extra
        }
        self._pipeline: Any = None

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        return checkpoint.diffusers

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability(frozenset({"text"}), "image")})

    def identity(self) -> dict[str, Json]:
        checker: str = self._checker
        if not any(self.checkpoint.config.get("safety_checker") or ()):
            checker = "none"
        return {
            **self._chosen,
            "dtype": self._dtype,
            "long_prompts": self._long,
            "safety_checker": checker,
            "variant": self.options.extra.get("variant", ""),
        }

    @property
    def _dtype(self) -> str:
        """The dtype's name; `auto` is diffusers' default, as a pipeline's index names none."""
        name = resolve_dtype(self.options, self.checkpoint)
        return "float32" if name == "auto" else name

    def load(self) -> None:
        import_torchvision()  # transformers imports it where it is installed
        torch = need("torch", "a diffusers pipeline")
        diffusers = need("diffusers", "a diffusers pipeline", DIFFUSERS)
        need("PIL", "writing images", "pip install 'mio-eval[image]'")
        quiet()
        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        if self.options.deterministic:
            forbid_variation()
        where = hub_arguments(self.checkpoint, self.options)
        where["torch_dtype" if _before_dtype(diffusers) else "dtype"] = getattr(torch, self._dtype)
        if variant := self.options.extra.get("variant"):
            where["variant"] = variant
        if self._checker == "off" and "safety_checker" in self.checkpoint.config:
            where |= {"safety_checker": None, "requires_safety_checker": False}
        if self.options.device_map:
            where["device_map"] = self.options.device_map
        with plain_errors(self.checkpoint):
            self._pipeline = self._open(diffusers, where)
            if not self.options.device_map:
                self._pipeline.to(resolve_device(self.options))
        self._pipeline.set_progress_bar_config(disable=True)
        self._takes = inspect.signature(self._pipeline.__call__).parameters
        self._check_pipeline()

    def _open(self, diffusers: Any, where: Mapping[str, Any]) -> Any:
        """Open as text to image what the auto class knows (an inpainting checkpoint, say)."""
        name = self.checkpoint.pretrained
        try:
            return diffusers.AutoPipelineForText2Image.from_pretrained(name, **where)
        except ValueError as error:
            if "can't find a pipeline linked to" not in str(error):
                raise
            return diffusers.DiffusionPipeline.from_pretrained(name, **where)

    def _check_pipeline(self) -> None:
        """Refuse a pipeline that is not text → image, and settings it does not take."""
        name = f"{self.checkpoint.pretrained} ({type(self._pipeline).__name__})"
        empty = inspect.Parameter.empty
        media = [p for p in ("image", "video", "audio", "mask_image") if p in self._takes]
        if "prompt" not in self._takes or any(self._takes[p].default is empty for p in media):
            raise UsageError(f"{name} does not make images of text alone; kind=t2i does")
        if strange := sorted(self._chosen.keys() - self._takes.keys()):
            raise UsageError(f"{name} takes no {', '.join(strange)}")

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        ready: list[Request] = []
        for request in requests:
            try:
                settings = self._settings(request)
                self._check_length(words_of(request, self.kind), settings)
                self._check_length(str(settings.get("negative_prompt", "")), settings)
            # The per-sample boundary of reading a prompt.
            except Exception as error:
                yield Response(request.sample_id, failure=describe(error))
            else:
                ready.append(request)
        for group in alike(ready):
            yield from together(group, self._draw)

    def close(self) -> None:
        def forget() -> None:
            self._pipeline = None

        free(forget)

    def _settings(self, request: Request) -> dict[str, Json]:
        """Return the pipeline's settings: the user's, else the task's."""
        asked = {n: request.settings[n] for n in SETTINGS if request.settings.get(n) is not None}
        settings = asked | self._chosen
        if strange := sorted(settings.keys() - self._takes.keys()):
            raise ValueError(f"{type(self._pipeline).__name__} takes no {', '.join(strange)}")
        return settings

    def _check_length(self, prompt: str, settings: Mapping[str, Json]) -> None:
        """Raise ValueError for a prompt that no text encoder of the pipeline reads whole.

        Where CLIP stands beside a T5 (SD3, Flux), CLIP's cut is those models' own design.
        """
        if self._long == "truncate" or not prompt:
            return
        longest: tuple[int, int] | None = None
        for name, part in self._pipeline.components.items():
            if not name.startswith("tokenizer") or part is None:
                continue
            limit = self._limit(part, settings)
            count = len(part(prompt, truncation=False).input_ids)
            if limit is None or count <= limit:
                return
            longest = max(longest or (0, 0), (limit, count))
        if longest is not None:
            raise ValueError(
                f"the prompt has {longest[1]} tokens, the text encoder reads at most {longest[0]}; "
                "long_prompts=truncate cuts it"
            )

    def _limit(self, tokenizer: Any, settings: Mapping[str, Json]) -> int | None:
        """Return how many tokens the pipeline lets through, marks of start and end included."""
        own = int(min(tokenizer.model_max_length, _NO_LIMIT))
        if "CLIP" not in type(tokenizer).__name__ and "max_sequence_length" in self._takes:
            chosen = settings.get("max_sequence_length")
            if chosen is None:
                chosen = self._takes["max_sequence_length"].default
            if isinstance(chosen, int):
                return chosen
        return own if own < _NO_LIMIT else None

    def _draw(self, requests: Sequence[Request]) -> list[Part | Exception]:
        import torch

        settings = self._settings(requests[0])
        if "negative_prompt" in settings:
            settings["negative_prompt"] = [settings["negative_prompt"]] * len(requests)
        seeds = [request_seed(request) for request in requests]
        drawn = self._pipeline(
            prompt=[words_of(request, self.kind) for request in requests],
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="np",
            **settings,
        )
        flagged = [False] * len(requests)
        for name in _FLAGS:
            for index, flag in enumerate(getattr(drawn, name, None) or ()):
                flagged[index] |= bool(flag)
        return [_picture(pixels, flag) for pixels, flag in zip(drawn.images, flagged, strict=True)]


def _picture(pixels: Any, flagged: bool) -> Part | Exception:
    if flagged:
        return SafetyChecker(
            "the pipeline's safety checker blacked this image out; safety_checker=off runs without"
        )
    try:
        return png_file(pixels)
    except ValueError as error:
        return error


def _read(name: str, text: str) -> Json:
    """Read a setting from `--model-args`. Raises UsageError."""
    kind = SETTINGS[name]
    try:
        value: Any = kind(text)
    except ValueError as error:
        raise UsageError(f"{name}={text!r}, expected a number") from error
    if kind is int and value < 1:
        raise UsageError(f"{name}={text!r}, expected a whole number from 1 up")
    return value


def _before_dtype(diffusers: Any) -> bool:
    """Tell whether this diffusers still calls the argument `torch_dtype` (before 0.40)."""
    major, minor = (int(number) for number in diffusers.__version__.split(".")[:2])
    return (major, minor) < (0, 40)

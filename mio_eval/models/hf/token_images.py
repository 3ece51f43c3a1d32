"""Images as tokens of a language model (`t2i-tokens`): Janus and Emu3, which also read images.

Chameleon is not among them: its public release was trained not to make images, and transformers
has no decoder for its image tokens.

Every image is made alone, under its own seed, because transformers samples a batch with one
generator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ...compat import import_torchvision
from ...errors import UsageError, unknown
from ...types import Capability, Json, Part, Request, Response
from .chat import VisionChat
from .family import Checkpoint, LoadOptions
from .loading import device_of, load_model, need
from .pictures import png_file
from .pieces import decimal, one_by_one, words_of
from .settings import arguments, strip_model_defaults

JANUS_GUIDANCE = 5.0  # of transformers, where neither task nor checkpoint names one
_CLASSES = {"janus": "JanusForConditionalGeneration", "emu3": "Emu3ForConditionalGeneration"}
_EMU3 = ("ratio", "image_area", "negative_prompt")


class TokenImages(VisionChat):
    """Janus and Emu3: images of text, and all that kind `vlm` answers in words."""

    kind = "t2i-tokens"
    drawing: ClassVar[Mapping[str, str]] = {
        "guidance_scale": "classifier-free guidance (default: the task's, else the checkpoint's)",
        "ratio": "Emu3: width to height (default 1:1)",
        "image_area": "Emu3: pixels of an image (default 518400, which is 720 × 720)",
        "negative_prompt": "Emu3: what images should not show (default: nothing)",
    }
    arguments: ClassVar[Mapping[str, str]] = {**VisionChat.arguments, **drawing}

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        if checkpoint.model_type == "chameleon":
            raise UsageError(
                f"{checkpoint.pretrained}: the public Chameleon makes no images (its release was "
                "trained not to); kind=vlm asks it about images"
            )
        if checkpoint.model_type not in _CLASSES:
            raise UsageError(
                f"{checkpoint.pretrained} is a {checkpoint.model_type} model; kind=t2i-tokens runs "
                f"{' and '.join(_CLASSES)}"
            )
        taken = (
            *VisionChat.arguments,
            "guidance_scale",
            *(_EMU3 if checkpoint.model_type == "emu3" else ()),
        )
        for name in options.extra:
            if name not in taken:
                raise unknown(f"argument of a {checkpoint.model_type} model", name, taken)
        self._guidance = decimal(options.extra, "guidance_scale", 0.0, 1.0)
        self._size = _size(options.extra)
        self._drawing: Any = None
        """The checkpoint's generation config, from which answers in words take ids alone."""

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        return not checkpoint.diffusers and checkpoint.model_type in _CLASSES

    @property
    def capabilities(self) -> frozenset[Capability]:
        return super().capabilities | {Capability(frozenset({"text"}), "image")}

    def identity(self) -> dict[str, Json]:
        extra = self.options.extra
        chosen = {name: extra[name] for name in sorted(self.drawing.keys() & extra.keys())}
        return {**super().identity(), **chosen}

    def load(self) -> None:
        import_torchvision()  # transformers imports it where it is installed
        need("PIL", "images", "pip install 'mio-eval[image]'")
        import transformers

        self.load_processor()
        model_class = getattr(transformers, _CLASSES[self.checkpoint.model_type])
        self.model = load_model(model_class, self.checkpoint, self.options)
        self._drawing = copy.deepcopy(self.model.generation_config)
        strip_model_defaults(self.model, self.tokenizer)

    def prepare(self, request: Request) -> object:
        return None if request.want == "image" else super().prepare(request)

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        yield from super().generate([request for request in requests if request.want == "text"])
        pictures = [request for request in requests if request.want != "text"]
        words, self.model.generation_config = self.model.generation_config, self._drawing
        try:
            yield from one_by_one(pictures, self._draw)
        finally:
            self.model.generation_config = words

    def _draw(self, request: Request) -> Part:
        text = words_of(request, self.kind)
        settings = self._search(request)
        draw = self._janus if self.checkpoint.model_type == "janus" else self._emu3
        decoded = draw(text, settings).float()
        if not decoded.isfinite().all():
            raise ValueError(
                "the model's pixels are not finite (nan or infinity): its decoder overflowed; "
                "try dtype=bfloat16 or float32"
            )
        if self.checkpoint.model_type == "janus":
            # Its postprocess does not give PIL images, whatever transformers' guide says.
            found = self.processor.postprocess(list(decoded), return_tensors="pt")
            return png_file(found["pixel_values"][0].permute(1, 2, 0).cpu().numpy())
        found = self.processor.postprocess(list(decoded), return_tensors="PIL.Image.Image")
        return png_file(found["pixel_values"][0])

    def _search(self, request: Request) -> dict[str, Json]:
        """Return what `generate` takes. The number of tokens is the image's, not the task's."""
        given = dict(request.settings)
        asked = given.pop("guidance_scale", None)
        settings = arguments(given)
        settings.pop("max_new_tokens")
        guidance = self._guidance or asked
        if guidance:
            settings["guidance_scale"] = float(guidance)
        return settings

    def _prompt(self, text: str) -> str:
        """Put a text into the model's chat template, where it has one."""
        if not self.processor.chat_template:
            return text
        turn = {"role": "user", "content": [{"type": "text", "text": text}]}
        prompt: str = self.processor.apply_chat_template([turn], add_generation_prompt=True)
        return prompt

    def _janus(self, text: str, settings: Mapping[str, Json]) -> Any:
        """Return pixels (1, height, width, 3) of Janus (arXiv 2501.17811)."""
        for name, neutral in (("repetition_penalty", 1.0), ("no_repeat_ngram_size", 0)):
            # They would hold the prompt's words against image tokens of equal number.
            if settings.get(name, neutral) != neutral:
                raise ValueError(f"{name}={settings[name]}: Janus makes images without it")
        if (settings.get("guidance_scale") or JANUS_GUIDANCE) <= 1:
            raise ValueError("guidance_scale: Janus makes images with one over 1 alone")
        inputs = self.processor(
            text=self._prompt(text), generation_mode="image", return_tensors="pt"
        ).to(device_of(self.model))
        tokens = self.model.generate(**inputs, generation_mode="image", **settings)
        return self.model.decode_image_tokens(tokens)

    def _emu3(self, text: str, settings: Mapping[str, Json]) -> Any:
        """Return pixels (1, 3, height, width) of Emu3 (arXiv 2409.18869)."""

        def read(prompt: str) -> Any:
            return self.processor(
                text=[prompt], return_for_image_generation=True, return_tensors="pt", **self._size
            ).to(device_of(self.model))

        inputs = read(text)
        height, width = (int(size) for size in inputs.pop("image_sizes")[0])
        start = inputs["input_ids"].shape[1]
        if (settings.get("guidance_scale") or self.model.generation_config.guidance_scale or 1) > 1:
            nothing = read(self.options.extra.get("negative_prompt", ""))
            settings = {
                **settings,
                "negative_prompt_ids": nothing["input_ids"],
                "negative_prompt_attention_mask": nothing["attention_mask"],
            }
        order = self._token_order(start, height, width)
        tokens = self.model.generate(
            **inputs,
            prefix_allowed_tokens_fn=order,
            max_new_tokens=height * (width + 1) + 3,
            **settings,
        )
        return self.model.decode_image_tokens(
            image_tokens=tokens[:, start:], height=height, width=width
        )

    def _token_order(self, start: int, height: int, width: int) -> Any:
        """Return which tokens may come at a place: rows of image tokens, ends of row, then ends."""
        mapping, tokenizer = self.model.vocabulary_mapping, self.processor.tokenizer
        ends = (tokenizer.eof_token_id, tokenizer.eoi_token_id, tokenizer.eos_token_id)
        visual = [int(token) for token in mapping.image_tokens]

        def allowed(_: int, tokens: Any) -> list[int]:
            at = int(tokens.shape[0]) - start
            if at >= height * (width + 1):
                return [int(ends[at - height * (width + 1)])]
            return [int(mapping.eol_token_id)] if (at + 1) % (width + 1) == 0 else visual

        return allowed


def _size(extra: Mapping[str, str]) -> dict[str, Json]:
    """Read Emu3's shape of an image. Raises UsageError."""
    size: dict[str, Json] = {}
    if ratio := extra.get("ratio"):
        width, _, height = ratio.partition(":")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            raise UsageError(f"ratio={ratio!r}, expected WIDTH:HEIGHT such as 4:3")
        size["ratio"] = ratio
    if "image_area" in extra:
        size["image_area"] = int(decimal(extra, "image_area", 0, 1))
    return size

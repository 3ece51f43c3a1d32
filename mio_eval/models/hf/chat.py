"""Kinds `vlm` and `speech-llm`: a language model that sees or hears, through its processor.

Prompts go through the chat template where the model has one; else they are the task's text as it
is, with the model's placeholder at each medium's place. A template lays out media and words
itself, so white space between the two is then dropped; words keep theirs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...errors import UsageError
from ...types import Capability, Json, Modality, Request
from .causal import CHAT_ARGUMENTS, bos_once, chat_mode, give_padding, system_prompt
from .family import Checkpoint, LoadOptions
from .inputs import Piece, Prompt, decode, merge_text, video_metadata
from .likelihood import Scorer
from .loading import load_model, load_processor, need, number

# One image a prompt, always before the text, where the processor itself puts its tokens.
IMAGE_FIRST = {"blip", "blip-2", "instructblip", "kosmos-2", "git", "pix2struct"}
# Their image processors take max_pixels themselves; for others images are scaled down before.
_OWN_MAX_PIXELS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen2_5_omni", "qwen3_omni")
_SPEECH = {"qwen2_audio", "voxtral", "granite_speech", "granite_speech_plus", "glmasr"}
_AUTO_CLASSES = (
    "AutoModelForMultimodalLM",
    "AutoModelForImageTextToText",
    "AutoModelForVision2Seq",
    "AutoModelForCausalLM",
)


def _mapping(name: str) -> Mapping[str, str]:
    auto = need("transformers.models.auto.modeling_auto", "model hf")
    found: Mapping[str, str] = getattr(auto, name)
    return found


class ProcessorFamily(Scorer):
    """What vision and speech share: a processor that turns text and media into tensors."""

    arguments: ClassVar[Mapping[str, str]] = {
        **CHAT_ARGUMENTS,
        "max_pixels": "scale images and frames down to this many pixels",
    }

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        self.processor: Any = None
        self._mode = chat_mode(options)
        self._system = system_prompt(options)
        self._max_pixels = number("max_pixels", options.extra)
        self._layout = ""
        """`processor` or `tokenizer`: whose chat template is used; `raw`: none."""

    @property
    @abstractmethod
    def inputs(self) -> frozenset[Modality]:
        """What the checkpoint takes, by its config."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability(self.inputs, "text")})

    @property
    def scores_after(self) -> frozenset[Modality]:
        text = self.checkpoint.config.get("text_config") or {}
        if text.get("model_type") in ("t5", "flan-t5", "mt5") or text.get("is_encoder_decoder"):
            return frozenset()
        return self.inputs

    @property
    def keeps_end(self) -> bool:
        return self._layout != "raw"

    def identity(self) -> dict[str, Json]:
        extra: dict[str, Json] = {"chat_template": self._mode}
        if self._system:
            extra["system_prompt"] = self._system
        if self._max_pixels:
            extra["max_pixels"] = self._max_pixels
        return {**super().identity(), **extra}

    def load(self) -> None:
        self.load_processor()
        self.model = load_model(self.auto_class(), self.checkpoint, self.options)
        self.overrule()

    def load_processor(self) -> None:
        """Load the processor and settle how prompts are laid out. Raises UsageError."""
        transformers = need("transformers", f"kind {self.kind}")
        self.processor = load_processor(transformers.AutoProcessor, self.checkpoint, self.options)
        if self._max_pixels and self._resizes_itself:
            images = self.processor.image_processor
            least = min(images.size["shortest_edge"], self._max_pixels)
            images.size = {"shortest_edge": least, "longest_edge": self._max_pixels}
        self.tokenizer = getattr(self.processor, "tokenizer", None)
        if self.tokenizer is None:
            raise UsageError(
                f"model hf: {self.checkpoint.pretrained} has no processor with a tokenizer; "
                f"kind={self.kind} needs one"
            )
        give_padding(self.tokenizer)
        self._layout = self._choose_layout()

    def auto_class(self) -> Any:
        """Return the auto class to load with; remote code may name one."""
        transformers = need("transformers", f"kind {self.kind}")
        named = self.checkpoint.config.get("auto_map") or {}
        names = [name for name in _AUTO_CLASSES if name in named] or [_AUTO_CLASSES[0]]
        if self.checkpoint.model_type in _mapping("MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"):
            names = [_AUTO_CLASSES[0]]
        return getattr(transformers, names[0])

    def read(self, request: Request) -> Prompt:
        video_as_images = getattr(self.processor, "video_processor", None) is None
        decoded = decode(
            request.parts,
            request.settings,
            rate=self.sampling_rate,
            max_pixels=None if self._resizes_itself else self._max_pixels,
            frame_pixels=self._max_pixels,
            video_as_images=video_as_images,
        )
        pieces = merge_text(decoded.pieces, trim=self._layout != "raw")
        chosen: dict[str, list[Any]] = {"image": [], "audio": [], "video": []}
        for piece in pieces:
            if piece.kind != "text":
                chosen[piece.kind].append(piece.value)
        if self.checkpoint.model_type in IMAGE_FIRST and len(chosen["image"]) != 1:
            raise ValueError(
                f"a {self.checkpoint.model_type} model takes one image a prompt, "
                f"got {len(chosen['image'])}"
            )
        return Prompt(
            self.lay_out(pieces),
            tuple(chosen["image"]),
            tuple(chosen["audio"]),
            tuple(chosen["video"]),
            decoded.usage,
            decoded.details,
        )

    def chat_turn(self, context: str) -> str | None:
        if self._layout == "raw" or not (self._mode == "on" or self._system):
            return None
        return self.lay_out([Piece("text", context)])

    def batch_key(self, prompt: Prompt) -> tuple[Any, ...]:
        # Kosmos-2 of transformers counts padding as positions once it generates.
        same_length = self.checkpoint.model_type == "kosmos-2"
        return (*prompt.shape, len(self.tokenizer(prompt.text).input_ids) if same_length else 0)

    def lay_out(self, pieces: Sequence[Piece]) -> str:
        """Write pieces as the text that the processor takes."""
        if self._layout == "raw":
            text = self._raw(pieces)
            return text.strip() if self.checkpoint.model_type in IMAGE_FIRST else text
        content: Any = [
            {"type": "text", "text": piece.value} if piece.kind == "text" else {"type": piece.kind}
            for piece in pieces
        ]
        system: Any = [{"type": "text", "text": self._system}]
        if self._layout == "tokenizer":
            content, system = self._raw(pieces), self._system
        messages = [{"role": "user", "content": content}]
        if self._system:
            messages.insert(0, {"role": "system", "content": system})
        holder = self.processor if self._layout == "processor" else self.tokenizer
        text = holder.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert isinstance(text, str)
        return text

    def _raw(self, pieces: Sequence[Piece]) -> str:
        return "".join(
            piece.value if piece.kind == "text" else self.placeholder(piece.kind)
            for piece in pieces
        )

    def placeholder(self, kind: Modality) -> str:
        """Return what stands for a medium in a prompt without a chat template."""
        model_type = self.checkpoint.model_type
        if model_type in IMAGE_FIRST:
            return ""
        token = getattr(self.processor, f"{kind}_token", None) or f"<{kind}>"
        token = getattr(token, "content", token)
        if model_type.startswith("qwen") and kind in ("image", "video"):
            return f"<|vision_start|>{token}<|vision_end|>"
        if model_type.startswith("qwen") and kind == "audio":
            return f"<|audio_bos|>{token}<|audio_eos|>"
        return str(token)

    def encode(self, prompts: Sequence[Prompt], side: str = "left") -> dict[str, Any]:
        return self.to_device(self.process(prompts, side))

    def process(self, prompts: Sequence[Prompt], side: str) -> dict[str, Any]:
        """Call the processor on prompts of one shape."""
        texts = [prompt.text for prompt in prompts]
        images, sounds, videos = prompts[0].shape
        media: dict[str, Any] = {}
        if images:
            media["images"] = [list(prompt.images) for prompt in prompts]
            if self.checkpoint.model_type in IMAGE_FIRST:
                media["images"] = [prompt.images[0] for prompt in prompts]
        if sounds:
            media["audio"] = [sound for prompt in prompts for sound in prompt.sounds]
            media["sampling_rate"] = self.sampling_rate
        if videos:
            media.update(self.video_arguments([v for prompt in prompts for v in prompt.videos]))
        # The side is also set on the tokenizer, for processors that pad by themselves.
        self.tokenizer.padding_side = side
        inputs = dict(
            self.processor(
                text=texts,
                return_tensors="pt",
                padding=True,
                padding_side=side,
                **media,
                **bos_once(self.tokenizer, texts),
            )
        )
        if "qformer_input_ids" in inputs:
            # The Q-Former counts positions from the left, padding or not.
            words = self.processor.qformer_tokenizer(
                texts, return_tensors="pt", padding=True, padding_side="right"
            )
            inputs["qformer_input_ids"] = words["input_ids"]
            inputs["qformer_attention_mask"] = words["attention_mask"]
        return inputs

    def video_arguments(self, videos: Sequence[Any]) -> dict[str, Any]:
        """Return the processor's arguments for picked frames, with where they come from."""
        return {
            "videos": [frames.images for frames in videos],
            "video_metadata": [video_metadata(frames) for frames in videos],
            "do_sample_frames": False,
        }

    def decode(self, tokens: Any) -> list[str]:
        texts = super().decode(tokens)
        if self.checkpoint.model_type == "kosmos-2":  # without its marks of phrases and places
            return [str(self.processor.post_process_generation(text)[0]) for text in texts]
        return texts

    @property
    def sampling_rate(self) -> int:
        """Samples a second that the model's feature extractor takes."""
        extractor = getattr(self.processor, "feature_extractor", None)
        return int(getattr(extractor, "sampling_rate", 16_000))

    @property
    def _resizes_itself(self) -> bool:
        return self._max_pixels is not None and self.checkpoint.model_type.startswith(
            _OWN_MAX_PIXELS
        )

    def _choose_layout(self) -> str:
        if self._mode != "off":
            if getattr(self.processor, "chat_template", None):
                return "processor"
            if getattr(self.tokenizer, "chat_template", None):
                return "tokenizer"
            if self._mode == "on":
                raise UsageError(
                    f"model hf: chat_template=on, but {self.checkpoint.pretrained} has none"
                )
        if self._system:
            raise UsageError(
                f"model hf: system_prompt needs a chat template, and for "
                f"{self.checkpoint.pretrained} none is used"
            )
        return "raw"

    def close(self) -> None:
        self.processor = None
        super().close()


class VisionChat(ProcessorFamily):
    """Image, video and text in (sound too, where the model hears), text out."""

    kind = "vlm"

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        if checkpoint.diffusers:
            return False
        sees = _mapping("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES")
        if checkpoint.model_type not in sees:
            return checkpoint.model_type in _mapping("MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES")
        speaks = _mapping("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES").get(checkpoint.model_type)
        both = {speaks, sees[checkpoint.model_type]}
        # Some types name two models, one of them without eyes.
        return len(both) == 1 or speaks not in checkpoint.architectures

    @property
    def inputs(self) -> frozenset[Modality]:
        found: set[Modality] = {"text", "image"}
        if self.checkpoint.model_type not in IMAGE_FIRST:
            found.add("video")
        if any(str(key).startswith("audio_") for key in self.checkpoint.config):
            found.add("audio")
        return frozenset(found)


class SpeechChat(ProcessorFamily):
    """Sound and text in, text out: a language model with ears."""

    kind = "speech-llm"

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        return checkpoint.model_type in _SPEECH

    def load(self) -> None:
        if self.checkpoint.model_type.startswith("voxtral"):
            raise UsageError(
                "model hf: Voxtral's prompts come from mistral-common, which this backend does not "
                "use; serve the model and evaluate it with --model openai"
            )
        super().load()

    @property
    def inputs(self) -> frozenset[Modality]:
        return frozenset({"text", "audio"})

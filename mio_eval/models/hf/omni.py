"""Kind `omni`: Qwen2.5-Omni and Qwen3-Omni, which see, hear, write and speak.

Text is written by the thinker alone; speech by thinker, talker and vocoder, one request at a time.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ...types import Audio, Capability, Json, Modality, Request, Response
from ..base import OutOfMemory, describe
from . import settings as generation
from .chat import ProcessorFamily
from .family import Checkpoint
from .inputs import Prompt, shown_rate
from .loading import memory_guard, need, number

SPEECH_RATE = 24_000  # of both models' vocoders, Hz
_TYPES = {"qwen2_5_omni", "qwen3_omni_moe"}


class _WithSpeakers:
    """Qwen2.5-Omni's class: its own `from_pretrained` cannot tell which weights are missing."""

    def __init__(self, model_class: Any) -> None:
        self._class = model_class

    def from_pretrained(self, source: str, **arguments: Any) -> Any:
        """Return (model, loading info), the model with its voices."""
        from transformers import PreTrainedModel
        from transformers.utils import cached_file

        plain = PreTrainedModel.from_pretrained.__func__
        model, info = plain(self._class, source, **arguments)
        model.load_speakers(cached_file(source, "spk_dict.pt", revision=arguments.get("revision")))
        return model, info


class Omni(ProcessorFamily):
    """Image, sound, video and text in; text or speech out."""

    kind = "omni"
    arguments: ClassVar[Mapping[str, str]] = {
        **ProcessorFamily.arguments,
        "speaker": "voice of spoken answers (default: the model's first)",
        "talker_max_new_tokens": "longest spoken answer, in speech tokens (default: the model's)",
    }

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        return checkpoint.model_type in _TYPES

    @property
    def inputs(self) -> frozenset[Modality]:
        return frozenset({"text", "image", "audio", "video"})

    @property
    def capabilities(self) -> frozenset[Capability]:
        can = {Capability(self.inputs, "text")}
        if self.checkpoint.config.get("enable_audio_output", True):
            can.add(Capability(self.inputs, "audio"))
        return frozenset(can)

    @property
    def decoder(self) -> Any:
        return self.model.thinker

    @property
    def context_length(self) -> int | None:
        config = self.model.config.thinker_config.get_text_config()
        value = getattr(config, "max_position_embeddings", None)
        return int(value) if value else None

    def identity(self) -> dict[str, Json]:
        own = {k: self.options.extra[k] for k in ("speaker", "talker_max_new_tokens")
               if k in self.options.extra}  # fmt: skip
        return {**super().identity(), **own}

    def auto_class(self) -> Any:
        transformers = need("transformers", "kind omni")
        found = getattr(transformers, self.checkpoint.architectures[0])
        return _WithSpeakers(found) if hasattr(found, "load_speakers") else found

    def video_arguments(self, videos: Sequence[Any]) -> dict[str, Any]:
        # This processor knows one rate for all videos of a call: see `batch_key`.
        return {**super().video_arguments(videos), "fps": shown_rate(videos[0])}

    def batch_key(self, prompt: Prompt) -> tuple[Any, ...]:
        return (*prompt.shape, *map(shown_rate, prompt.videos))

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        yield from super().generate([r for r in requests if r.want == "text"])
        for request in requests:
            if request.want == "audio":
                yield self._speak(request)

    @property
    def generator(self) -> Any:
        return self.model.thinker

    def _speak(self, request: Request) -> Response:
        """Answer in speech: 24 kHz WAV."""
        start = time.perf_counter()
        try:
            prompt = request.prepared
            if not isinstance(prompt, Prompt):
                prompt = self.read(request)
            with memory_guard():
                wave = self._wave(request, prompt)
        except OutOfMemory:
            raise
        # The per-sample boundary.
        except Exception as error:
            return Response(request.sample_id, failure=describe(error))
        soundfile = need("soundfile", "speech", "pip install 'mio-eval[speech]'")
        stream = io.BytesIO()
        soundfile.write(stream, wave, SPEECH_RATE, format="WAV", subtype="PCM_16")
        data = stream.getvalue()
        audio = Audio(load=lambda: data, name="speech.wav")
        seconds = time.perf_counter() - start
        return Response(
            request.sample_id, audio, None, seconds, prompt.usage, details=prompt.details
        )

    def _wave(self, request: Request, prompt: Prompt) -> Any:
        torch = need("torch", "any model")
        arguments = generation.arguments(request.settings)
        inputs = self.encode([prompt])
        if failure := self.too_long(inputs["input_ids"].shape[1], arguments["max_new_tokens"]):
            raise ValueError(failure.message)
        extra = self.options.extra
        given: dict[str, Any] = {f"thinker_{name}": value for name, value in arguments.items()}
        if longest := number("talker_max_new_tokens", extra):
            given["talker_max_new_tokens"] = longest
        speakers = list(getattr(self.model, "speaker_map", {}))
        if speaker := extra.get("speaker", speakers[0] if speakers else ""):
            given["speaker"] = speaker
        torch.manual_seed(generation.request_seed(request))
        with torch.inference_mode():
            found = self.model.generate(**inputs, **given, generation_mode="audio")
        wave = found[1]
        wave = wave[0] if isinstance(wave, list | tuple) else wave
        return wave.reshape(-1).float().cpu().numpy()

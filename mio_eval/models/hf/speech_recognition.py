"""Speech recognition: encoder-decoders such as Whisper (`asr`), and CTC heads (`ctc`).

Both hear the whole sound, however long: Whisper by its own sequential long-form decoding (its
paper, section 3.8) or in overlapping chunks, a CTC model in overlapping chunks whose edges are
dropped, as transformers' pipeline does. The words of a prompt are not heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...annotators.asr_models import whisper_inputs, whisper_language
from ...annotators.waves import shortest
from ...compat import import_torchvision
from ...errors import UsageError, first_line
from ...types import Json, Part, Request, Text
from .family import Checkpoint, LoadOptions
from .pieces import choice
from .recogniser import Heard, Recogniser
from .settings import arguments
from .waves import Wave

WHISPER_PROMPT = 4  # tokens: start, language, task, no timestamps
_SEQ2SEQ = (
    "whisper",
    "moonshine",
    "moonshine_streaming",
    "speech_to_text",
    "speech-encoder-decoder",
)
# Their frames come from convolutions without padding, and padding is zeroed before the only layer
# that mixes neighbours, so that a mask makes a sound's answer independent of its batch. Elsewhere
# (moonshine, data2vec-audio, conformers, sew, the group norm of small models) padding is heard.
_MASKED = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat")


class SpeechRecognition(Recogniser):
    """Encoder-decoders that `generate` a transcript: Whisper, Moonshine, Speech2Text and others.

    Whisper's sounds are padded to 30 s, as it was trained, and so batched; the others hear
    padding, so they run one sound at a time, and hear a sound of any length whole unless
    `chunk_seconds` is given.
    """

    kind = "asr"
    arguments: ClassVar[Mapping[str, str]] = {
        "language": "the language spoken, such as en (default: Whisper detects it)",
        "task": "transcribe (default), or translate: Whisper's translation into English",
        "long_form": "sequential (default) or chunked: how Whisper hears more than 30 s",
        "chunk_seconds": "length of a chunk (default 30; others than Whisper: no chunks)",
        "stride_seconds": "overlap on each side of a chunk (default: a sixth of it)",
    }

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        self._whisper = checkpoint.model_type == "whisper"
        self._language = options.extra.get("language", "")
        self._task = choice(options.extra, "task", ("transcribe", "translate"))
        self._form = choice(options.extra, "long_form", ("sequential", "chunked"))
        if not self._whisper and (given := {"task", "long_form"} & set(options.extra)):
            raise UsageError(
                f"{'/'.join(sorted(given))} is for Whisper; {checkpoint.pretrained} is a "
                f"{checkpoint.model_type} model"
            )
        if self._whisper and self._form == "sequential" and "chunk_seconds" in options.extra:
            raise UsageError("chunk_seconds of Whisper goes with long_form=chunked")
        self._spoken: dict[str, Any] = {}

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        if checkpoint.diffusers:
            return False
        return checkpoint.model_type in _SEQ2SEQ or (
            "SpeechT5ForSpeechToText" in checkpoint.architectures
        )

    def identity(self) -> dict[str, Json]:
        said: dict[str, Json] = {"language": self._language or "detected"}
        if self._whisper:
            said |= {"task": self._task, "long_form": self._form}
        if self._chunks:
            said |= {"chunk_seconds": self._chunk, "stride_seconds": self._stride}
        return said

    def load(self) -> None:
        import_torchvision()  # transformers imports it where it is installed
        from transformers import AutoModelForSpeechSeq2Seq

        self._load(AutoModelForSpeechSeq2Seq)
        self._spoken = self._language_settings()

    def _language_settings(self) -> dict[str, Any]:
        name, settings = self.checkpoint.pretrained, self._model.generation_config
        if self._whisper:
            multilingual = getattr(settings, "is_multilingual", True)
            if self._task == "translate" and not multilingual:
                raise UsageError(f"{name} knows English only, so it does not translate")
            task = {"task": self._task} if multilingual else {}
            if not self._language:
                return task
            return whisper_language(settings, self._language, name) | task
        if not self._language:
            return {}
        codes = getattr(self._tokenizer, "lang_code_to_id", None) or {}
        if self._language not in codes:
            known = f"it has {', '.join(sorted(codes))}" if codes else "it takes none"
            raise UsageError(f"{name}: no language {self._language!r}; {known}")
        return {"forced_bos_token_id": codes[self._language]}

    @property
    def _chunks(self) -> bool:
        return self._form == "chunked" if self._whisper else "chunk_seconds" in self.options.extra

    def _is_long(self, wave: Wave) -> bool:
        if self._whisper:
            return wave.size > int(self._extractor.n_samples)
        return self._chunks and self._seconds(wave) > self._chunk

    def _inputs(self, wave: Wave) -> Mapping[str, Any]:
        if self._whisper:
            features, mask = whisper_inputs(self._extractor, [wave], self._rate, long=False)
            return {"input_features": features, "attention_mask": mask}
        return dict(
            self._extractor(
                wave, sampling_rate=self._rate, return_tensors="pt", return_attention_mask=True
            )
        )

    def _batches(self, request: Request) -> bool:
        heard = request.prepared
        assert isinstance(heard, Heard)
        return self._whisper and heard.inputs is not None and not request.settings.get("do_sample")

    def _search(self, request: Request) -> dict[str, Any]:
        """Return what `generate` takes, with no more tokens than Whisper has room for."""
        found = arguments(request.settings) | self._spoken
        if self._whisper:
            room = self._model.config.max_target_positions - WHISPER_PROMPT
            found["max_new_tokens"] = min(found["max_new_tokens"], room)
        return found

    def _generate(self, request: Request, inputs: Mapping[str, Any], **more: Any) -> list[str]:
        tokens = self._model.generate(
            **{name: self._to_model(value) for name, value in inputs.items()},
            **self._search(request),
            **more,
        )
        texts: list[str] = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    def _transcribe(self, requests: Sequence[Request]) -> list[Part]:
        import torch

        inputs = [r.prepared.inputs for r in requests if isinstance(r.prepared, Heard)]
        joined = {name: torch.cat([i[name] for i in inputs if i]) for name in inputs[0] or ()}
        more = {"return_timestamps": False} if self._whisper else {}
        return [Text(text.strip()) for text in self._generate(requests[0], joined, **more)]

    def _long(self, wave: Wave, request: Request) -> str:
        if not self._chunks:
            features, mask = whisper_inputs(self._extractor, [wave], self._rate, long=True)
            inputs = {"input_features": features, "attention_mask": mask}
            return self._generate(request, inputs, return_timestamps=True)[0]
        return self._in_chunks(wave, self._search(request))


class CTC(Recogniser):
    """Encoders with a CTC head: the most likely symbol of each frame, no language model.

    A sound up to `chunk_seconds` is heard whole. Sounds share a batch only where the model was
    trained with an attention mask that makes padding unheard; else they run one at a time.
    """

    kind = "ctc"
    arguments: ClassVar[Mapping[str, str]] = {
        "language": "the adapter of a multilingual MMS model, such as fra (default: as saved)",
        "chunk_seconds": "longest sound heard whole, and length of a chunk (default 60)",
        "stride_seconds": "overlap on each side of a chunk (default: a sixth of it)",
    }
    chunk_default = 60.0

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        return not checkpoint.diffusers and any(
            name.endswith("ForCTC") for name in checkpoint.architectures
        )

    @property
    def _language(self) -> str:
        return self.options.extra.get("language", "")

    def identity(self) -> dict[str, Json]:
        return {
            "decoding": "greedy",
            "language": self._language,
            "chunk_seconds": self._chunk,
            "stride_seconds": self._stride,
        }

    def load(self) -> None:
        import_torchvision()  # transformers imports it where it is installed
        from transformers import AutoModelForCTC

        self._load(AutoModelForCTC)
        if self._language:
            self._load_language()

    def _load_language(self) -> None:
        """Put in the adapter and the letters of one language (MMS). Raises UsageError."""
        name = self.checkpoint.pretrained
        # Its tokenizer has one alphabet a language, of which it uses one.
        if getattr(self._tokenizer, "target_lang", None) is None:
            raise UsageError(f"{name} takes no language: it is no multilingual MMS model")
        try:
            self._tokenizer.set_target_lang(self._language)
            self._model.load_adapter(self._language)
        # transformers raises ValueError, OSError, EnvironmentError … for a missing adapter.
        except Exception as error:
            reason = first_line(error)[:200]
            raise UsageError(f"{name}: no language {self._language!r} ({reason})") from error

    def _is_long(self, wave: Wave) -> bool:
        # Without a known number of samples a frame, chunks could not be joined.
        ratio = getattr(self._model.config, "inputs_to_logits_ratio", None)
        return ratio is not None and self._seconds(wave) > self._chunk

    def _inputs(self, wave: Wave) -> Mapping[str, Any]:
        least = shortest(self._model.config)
        if wave.size < least:
            raise ValueError(f"the sound has {wave.size} samples, the model needs {least} or more")
        return dict(self._extractor(wave, sampling_rate=self._rate, return_tensors="pt"))

    def _batches(self, request: Request) -> bool:
        heard = request.prepared
        assert isinstance(heard, Heard)
        config = self._model.config
        return (
            heard.inputs is not None
            and "attention_mask" in heard.inputs
            and config.model_type in _MASKED
            and getattr(config, "feat_extract_norm", "") == "layer"
        )

    def _transcribe(self, requests: Sequence[Request]) -> list[Part]:
        from torch.nn.utils.rnn import pad_sequence

        inputs = [r.prepared.inputs for r in requests if isinstance(r.prepared, Heard)]
        joined = {
            name: self._to_model(pad_sequence([i[name][0] for i in inputs if i], batch_first=True))
            for name in inputs[0] or ()
        }
        symbols = self._model(**joined).logits.argmax(dim=-1)
        lengths = [symbols.shape[1]] * len(requests)
        if len(requests) > 1:
            samples = joined["attention_mask"].sum(-1)
            lengths = self._model._get_feat_extract_output_lengths(samples).tolist()
        return [
            Text(str(self._tokenizer.decode(row[:length].tolist())).strip())
            for row, length in zip(symbols, lengths, strict=True)
        ]

    def _long(self, wave: Wave, request: Request) -> str:
        return self._in_chunks(wave, {})

"""Whisper tiny.en as packaged CTranslate2 weights: English speech to text on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mio_eval.errors import UsageError

RATE = 16_000  # samples per second
BEAM_SIZE = 5


class Transcriber:
    """Speech recognition that gives the same text every time.

    Decoding is fixed: int8 weights, beam search of width 5 at temperature 0 with no fallback to
    sampling, no text carried from one 30-second window to the next, no voice activity detection.
    A window that Whisper itself takes for silence (its default thresholds: no-speech probability
    over 0.6 and mean log-probability under -1) gives no text.

    Args:
        model: the folder of the packaged asset `whisper-tiny.en`.
        threads: CPU threads for one clip. Two were no faster than one on two cores with other work.

    Raises:
        UsageError: faster-whisper is not installed, or the folder holds no such model.
        ValueError: fewer than one thread.
    """

    def __init__(self, model: Path, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            message = f"speech recognition needs faster-whisper ({error}): pip install "
            raise UsageError(f"{message}'mio-eval[starter]'") from error
        if not (model / "model.bin").is_file() or not (model / "tokenizer.json").is_file():
            raise UsageError(f"no Whisper model in {model}: model.bin or tokenizer.json is missing")
        try:
            self._model: Any = WhisperModel(
                str(model),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                num_workers=1,
                local_files_only=True,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"cannot load the Whisper model from {model}: {error}") from error

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Return the words of a clip, in Whisper's own casing and punctuation.

        Args:
            samples: (n,) float32 at 16 kHz, mono, full scale at +-1. Any length over zero; longer
                clips are read in windows of 30 seconds.

        Raises:
            ValueError: the array is empty, not one-dimensional, not float32, or not finite.
        """
        if samples.ndim != 1:
            raise ValueError(f"expected mono samples (n,), got an array of shape {samples.shape}")
        if samples.dtype != np.float32:
            raise ValueError(f"expected float32 samples, got {samples.dtype}")
        if samples.size == 0:
            raise ValueError("the clip is empty: there are no samples to transcribe")
        if not np.isfinite(samples).all():
            raise ValueError("the clip holds samples that are not finite (nan or infinity)")
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            task="transcribe",
            beam_size=BEAM_SIZE,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
            word_timestamps=False,
        )
        return " ".join(text for segment in segments if (text := segment.text.strip()))

"""The starter's voice: hibari's "heart", English text to speech on the CPU.

hibari-tts (Apache-2.0) is used as an ordinary dependency: its way from text to phonemes (lexicon,
tagger, numbers, dates) is a program of its own, not a few facts about its weights.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mio_eval.errors import UsageError, first_line

RATE = 24_000  # samples per second
VOICE = "heart"  # the one that is inside the package; the others would be downloaded
SEED = 0
MAX_TEXT = 2_000  # characters: about two minutes of speech
MAX_WORD = 60  # characters without white space: hibari's tokenizer takes minutes for 500


class Speaker:
    """Text to speech that gives the same samples every time: the seed of its noise is fixed.

    Attributes:
        identity: names the package, its version and the voice.

    Args:
        threads: CPU threads of the network. One is over a hundred times faster than real time.

    Raises:
        UsageError: hibari-tts is not installed, or its voice cannot be loaded.
        ValueError: fewer than one thread.
    """

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        try:
            hibari: Any = import_module("hibari")
            version = metadata.version("hibari-tts")
        except ImportError as error:
            message = f"the starter's voice needs hibari-tts ({error}): pip install "
            raise UsageError(f"{message}'mio-eval[starter]'") from error
        try:
            self._voice: Any = hibari.Hibari(voice=VOICE, threads=threads)
        except Exception as error:  # a damaged installation raises errors of many kinds
            raise UsageError(
                f"cannot load the voice {VOICE} of hibari-tts {version} ({first_line(error)}); "
                "install it again: pip install --force-reinstall hibari-tts"
            ) from error
        if self._voice.sample_rate != RATE:
            raise UsageError(
                f"hibari-tts {version} speaks at {self._voice.sample_rate} Hz, expected {RATE}; "
                "pip install 'mio-eval[starter]'"
            )
        self.identity = f"starter/hibari-tts-{version}-{VOICE}"

    def synthesise(self, text: str) -> tuple[NDArray[np.float32], int]:
        """Speak a text; return its samples, float32 (n,) in about ±1, and their rate, 24,000 Hz.

        hibari reads `[word](/phonemes/)` as a pronunciation, not as text.

        Raises:
            ValueError: the text is empty, too long, holds a word that is too long, or nothing
                that hibari can say in English.
        """
        if not text.strip():
            raise ValueError("there is no text to speak")
        if len(text) > MAX_TEXT:
            raise ValueError(f"the text has {len(text)} characters, at most {MAX_TEXT} are spoken")
        if (longest := max(map(len, text.split()))) > MAX_WORD:
            raise ValueError(
                f"the text holds {longest} characters without a space, at most {MAX_WORD}"
            )
        try:
            samples: NDArray[np.float32] = self._voice(text, seed=SEED)
        except Exception as error:  # for example IndexError for a number of 40 digits
            raise ValueError(f"hibari cannot speak the text: {first_line(error)}") from error
        if samples.size == 0 or not np.isfinite(samples).all():
            raise ValueError("hibari finds nothing to say in the text; it speaks English only")
        return samples, RATE

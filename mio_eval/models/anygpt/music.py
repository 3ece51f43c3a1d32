"""Music ↔ the codes of AnyGPT's music tokens, by EnCodec at 32 kHz.

Défossez et al., "High Fidelity Neural Audio Compression" (2022), the model of MusicGen
(facebook/encodec_32khz), as OpenMOSS/AnyGPT uses it: 50 steps a second, four codes of 2,048 a step.
No task of the harness takes or asks for music, so the backend does not claim it; the way from sound
to prompt and back is here for whoever adds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...annotators.checkpoints import load_complete
from ...errors import UsageError
from ..hf.loading import need
from .tokens import MUSIC_CODES, MUSIC_LEVELS, music_text, read_music

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SECONDS = 20  # the base program's; the chat program takes 5. Both begin at a random place, we at 0


class MusicCodec:
    """EnCodec. `folder` is a folder or hub id. Raises UsageError for another codec's sizes."""

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        transformers = need("transformers", "music tokens")
        try:
            self._model: Any = load_complete(transformers.EncodecModel, str(folder))
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} is no EnCodec: {' '.join(str(error).split())[:300]}") from (
                error
            )
        self._model = self._model.to(device).eval()
        config = self._model.config
        levels = self._model.quantizer.get_num_quantizers_for_bandwidth(config.target_bandwidths[0])
        if (config.codebook_size, levels) != (MUSIC_CODES, MUSIC_LEVELS):
            raise UsageError(
                f"{folder} has {levels} codes of {config.codebook_size} a step, AnyGPT's music "
                f"tokens are {MUSIC_LEVELS} of {MUSIC_CODES}; give facebook/encodec_32khz"
            )

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self._model.config.sampling_rate)

    def write(self, wave: npt.NDArray[np.float32], seconds: float = SECONDS) -> str:
        """Return the tokens of the first `seconds` of a mono wave of shape (samples,)."""
        import torch

        heard = torch.from_numpy(wave[: int(seconds * self.rate)])[None, None]
        with torch.inference_mode():
            found = self._model.encode(heard.to(self._model.device))
        return music_text(found.audio_codes[0, 0].tolist())

    def read(self, text: str) -> npt.NDArray[np.float32]:
        """Return the mono wave of the first music in `text`. Raises BadMusicError."""
        import torch

        codes = torch.tensor(read_music(text), device=self._model.device)[None, None]
        with torch.inference_mode():
            wave = self._model.decode(codes, [None]).audio_values[0, 0]
        heard: npt.NDArray[np.float32] = wave.float().cpu().numpy()
        return heard

"""The GE2E speaker encoder (Wan et al., 2018, https://arxiv.org/abs/1710.10467), in plain torch.

The network, its inputs and its windows are those that Resemblyzer 0.1.4 publishes weights for: a
power mel spectrogram (not its logarithm) of 40 bands, three LSTM layers of 256 cells, one linear
layer with ReLU on the last hidden state; the mean over windows of 1.6 s. Nothing of the package is
imported. Its voice activity detection is left out: see `GE2E`.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..models.starter.assets import Asset
from .checkpoints import read_weights
from .loading import FETCH_AGAIN, Use, loading

Floats: TypeAlias = NDArray[np.float32]

RATE = 16_000  # samples per second
WINDOW, HOP, BANDS = 400, 160, 40  # samples, samples, mel bands
WIDTH, LAYERS = 256, 3  # cells of one LSTM layer, which is also the embedding's size; layers
FRAMES = 160  # of one window of the network: 1.6 s
WINDOWS_PER_SECOND = 1.3
STEP = round(RATE / WINDOWS_PER_SECOND / HOP)  # frames from one window to the next: 77
COVERAGE = 0.75  # of the last window that the sound must fill, else the window is dropped
LOUDNESS = -30.0  # dB of full scale (RMS) that quieter sounds are raised to

USE = Use("the judge speaker=starter", "--judge speaker=hf/OWNER/NAME")
ASSET = Asset(
    package="Resemblyzer",
    version="0.1.4",
    wheel_sha256="8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    files=MappingProxyType({"pretrained.pt": "resemblyzer/pretrained.pt"}),
    licence="Apache-2.0",
    size_mb=16,
    what="GE2E speaker encoder (Resemblyzer's PyTorch weights)",
)


class GE2E:
    """A voice as a vector of 256 numbers, none of them negative.

    Equal to Resemblyzer's `embed_utterance(normalize_volume(wave, -30, increase_only=True))`.
    Resemblyzer also cuts long silences out with WebRTC's voice activity detection, a C extension
    that is published as source only; here silences stay in. `docs/metrics/speech_out.md` says how
    much that changes.

    Args:
        weights: `pretrained.pt` of `ASSET`; read with `weights_only`, so it cannot run code.
        device: torch's name of the device.

    Raises:
        UsageError: torch is not installed, or the file holds something else.
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        with loading(USE, str(weights), FETCH_AGAIN):
            import torch

            state = read_weights(weights, "model_state")
            lstm = torch.nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
            linear = torch.nn.Linear(WIDTH, WIDTH)
            lstm.load_state_dict(_part(state, "lstm."))
            linear.load_state_dict(_part(state, "linear."))
        self._lstm = lstm.eval().to(device)
        self._linear = linear.eval().to(device)
        self._device = device

    def embed(self, wave: Floats) -> Floats:
        """Return the voice of a sound: float32 (256,), length 1.

        Args:
            wave: (n,) float32 at 16 kHz, mono. Less than 1.6 s is padded with silence.

        Raises:
            ValueError: the sound is silence, so there is no voice to embed.
        """
        import torch

        windows = mel_windows(raise_volume(wave))
        with torch.inference_mode():
            _, (hidden, _) = self._lstm(torch.from_numpy(windows).to(self._device))
            voices = torch.relu(self._linear(hidden[-1]))
            voices = voices / torch.linalg.vector_norm(voices, dim=1, keepdim=True)
            mean = voices.mean(dim=0).double().cpu().numpy()
        norm = float(np.linalg.norm(mean))
        if not np.isfinite(norm) or norm == 0.0:
            raise ValueError("the sound holds no voice that can be embedded")
        embedding: Floats = (mean / norm).astype(np.float32)
        return embedding


def _part(state: Any, prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def raise_volume(wave: Floats) -> Floats:
    """Raise a quiet sound to -30 dB RMS; a louder one stays as it is. Shape and dtype are kept.

    Raises:
        ValueError: every sample is 0.
    """
    power = float(np.mean(np.square(wave, dtype=np.float64)))
    if power == 0.0:
        raise ValueError("the sound is digital silence: there is no voice in it")
    gain = 10.0 ** ((LOUDNESS - 10.0 * np.log10(power)) / 20.0)
    return wave if gain <= 1.0 else (wave * gain).astype(np.float32)


def window_starts(samples: int) -> list[int]:
    """Return where the network's windows begin, in frames of 10 ms, for a sound's length."""
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - FRAMES + STEP + 1), STEP))
    filled = (samples - starts[-1] * HOP) / (FRAMES * HOP)
    return starts[:-1] if filled < COVERAGE and len(starts) > 1 else starts


def mel_windows(wave: Floats) -> Floats:
    """Return power mel spectrograms of the windows: float32 (windows, 160 frames, 40 bands)."""
    starts = window_starts(wave.size)
    missing = (starts[-1] + FRAMES) * HOP - wave.size
    mel = mel_spectrogram(np.pad(wave, (0, max(missing, 0))))
    return np.stack([mel[start : start + FRAMES] for start in starts])


def mel_spectrogram(wave: Floats) -> Floats:
    """Return power in 40 mel bands: float32 (1 + n // 160, 40).

    Frames of 400 samples under a periodic Hann window, centred, with zeros beyond the ends.
    """
    import torch

    spectrum = torch.stft(
        torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)),
        n_fft=WINDOW,
        hop_length=HOP,
        window=torch.hann_window(WINDOW),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power: Floats = spectrum.abs().square().numpy()
    mel: Floats = (mel_filters() @ power).T
    return np.ascontiguousarray(mel)


def mel_filters() -> Floats:
    """Return Slaney's triangular filters from 0 to 8000 Hz, each of area 1: (40, 201).

    The scale is the Auditory Toolbox's (Slaney, 1998): linear below 1000 Hz, 200/3 Hz a mel, and
    logarithmic above, 27 mels for a factor of 6.4.
    """
    top = 15.0 + 27.0 * np.log(RATE / 2 / 1000.0) / np.log(6.4)
    mels = np.linspace(0.0, top, BANDS + 2)
    edges = np.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * 6.4 ** ((mels - 15.0) / 27.0))
    bins = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    area = 2.0 / (high - low)
    filters: Floats = (np.maximum(0.0, np.minimum(rising, falling)) * area).astype(np.float32)
    return filters

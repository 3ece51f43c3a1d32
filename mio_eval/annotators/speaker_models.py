"""Speaker encoders as judges: how alike two voices are, as the cosine of their embeddings.

One sound at a time: padding in a batch changes an embedding, with an attention mask too.
Encoders are on different scales; never compare their cosines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..compat import import_torchvision
from ..errors import UsageError
from .checkpoints import (
    Checkpoint,
    check_device,
    exact_inference,
    find_checkpoint,
    load_weights,
)
from .loading import Use, loading
from .waves import RATE, Wave, check_length, check_wave, shortest

Embedding: TypeAlias = NDArray[np.float32]

SPECS = "starter, hf/OWNER/NAME[@REVISION] or hf/FOLDER"
USE = Use("the judge speaker (it compares voices)", "--judge speaker=starter")
_XVECTOR = (  # transformers' model types that have an x-vector head
    "data2vec-audio",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-bert",
    "wav2vec2-conformer",
    "wavlm",
)


class SpeakerEncoder(ABC):
    """A speaker encoder.

    Attributes:
        identity: names the model and its revision for signatures: lower case, no spaces.
    """

    identity: str

    def embed(self, wave: Wave) -> Embedding:
        """Return the voice of one sound: float32 (d,), length 1.

        Args:
            wave: (n,) float32 at 16 kHz, mono.

        Raises:
            ValueError: the sound is empty, not mono, not float32, not finite, silent or too short
                for the model; or the embedding is zero or not finite.
        """
        check_wave(wave)
        vector = np.asarray(self._embed(wave), dtype=np.float64)
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0.0:
            raise ValueError(f"{self.identity}: the embedding is zero or not finite")
        unit: Embedding = (vector / norm).astype(np.float32)
        return unit

    @abstractmethod
    def _embed(self, wave: Wave) -> NDArray[np.float32]:
        """Embed a sound that was checked; any length of vector."""


class StarterSpeaker(SpeakerEncoder):
    """The packaged GE2E encoder, without voice activity detection: see `ge2e`."""

    identity = "starter/resemblyzer-0.1.4-novad"

    def __init__(self, device: str = "cpu") -> None:
        from ..models.starter.assets import fetch
        from .ge2e import ASSET, GE2E

        self._network = GE2E(fetch(ASSET) / "pretrained.pt", device)

    def _embed(self, wave: Wave) -> NDArray[np.float32]:
        return self._network.embed(wave)


class XVectorSpeaker(SpeakerEncoder):
    """A model with an x-vector head by transformers (WavLM, UniSpeech-SAT …): its `embeddings`."""

    def __init__(self, identity: str, model: Any, extractor: Any) -> None:
        self.identity = identity
        self._model = model
        self._extractor = extractor
        config = model.config
        frames = 1 + sum(
            (kernel - 1) * dilation
            for kernel, dilation in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        )
        # The statistics over time need two frames: one has no standard deviation.
        self._least = shortest(config, frames + 1)

    def _embed(self, wave: Wave) -> NDArray[np.float32]:
        check_length(wave, self._least, self.identity)
        features = self._extractor(wave, sampling_rate=RATE, return_tensors="pt")
        inputs = {name: value.to(self._model.device) for name, value in features.items()}
        with exact_inference():
            vector: NDArray[np.float32] = self._model(**inputs).embeddings[0].cpu().numpy()
        return vector


def load_speaker_encoder(spec: str, device: str = "cpu") -> SpeakerEncoder:
    """Load a speaker encoder by its name, in float32.

    Args:
        spec: `starter`; `hf/OWNER/NAME`, `hf/OWNER/NAME@REVISION` or `hf/FOLDER` for a model of
            transformers with an x-vector head, such as `hf/microsoft/wavlm-base-plus-sv`.
        device: torch's name of the device.

    Raises:
        UsageError: an unknown name or device, a missing package, a model that cannot be fetched
            or is of another kind.
    """
    kind, _, rest = spec.partition("/")
    if spec != "starter" and (kind != "hf" or not rest):
        raise UsageError(f"unknown speaker encoder {spec!r}; expected {SPECS}")
    with loading(USE, spec):
        check_device(device)
        if spec == "starter":
            return StarterSpeaker(device)
        return _load_transformers(find_checkpoint(rest, USE), device)


def _load_transformers(checkpoint: Checkpoint, device: str) -> SpeakerEncoder:
    import_torchvision()  # transformers imports it where it is installed
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForAudioXVector

    source, where = checkpoint.source, checkpoint.arguments
    kind = AutoConfig.from_pretrained(source, **where).model_type
    if kind not in _XVECTOR:
        raise UsageError(f"{source} is a {kind} model; supported: {', '.join(_XVECTOR)}")
    model = load_weights(AutoModelForAudioXVector, checkpoint, device, "float32")
    extractor = AutoFeatureExtractor.from_pretrained(source, **where)
    return XVectorSpeaker(checkpoint.identity, model, extractor)


def speaker_similarity(a: ArrayLike, b: ArrayLike) -> float:
    """Return the cosine of two embeddings of one encoder, in float64, from -1 to 1.

    Args:
        a, b: (d,), normalised or not.

    Raises:
        ValueError: the shapes differ or are not (d,), or a vector is zero or not finite.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"expected two vectors of one size, got {left.shape} and {right.shape}")
    norms = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    if not np.isfinite(norms) or norms == 0.0:
        raise ValueError("a vector is zero or not finite; it has no direction")
    return float(np.clip(left @ right / norms, -1.0, 1.0))

"""SpeechTokenizer: 16 kHz speech ↔ codes, 50 steps a second, 8 codes of 1,024 a step.

Zhang et al., "SpeechTokenizer: Unified Speech Tokenizer for Speech Large Language Models" (2023),
section 3; reference implementation ZhangXInFD/SpeechTokenizer. The first code of a step carries
what is said, the others how it sounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ...errors import UsageError
from ...types import Json
from .seanet import decoder, encoder

CONFIG = "config.json"
WEIGHTS = "SpeechTokenizer.pt"


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """The fields of a release's config.json that shape the network (in brackets: MIO's)."""

    n_filters: int
    """Width of the first convolution (64)."""
    strides: tuple[int, ...]
    """Samples of one step, factored (8, 5, 4, 2: 320 samples, 50 steps a second)."""
    dimension: int
    """Width of features and codebooks (1024)."""
    bidirectional: bool
    dilation_base: int
    residual_kernel_size: int
    n_residual_layers: int
    lstm_layers: int
    activation: str
    """ELU in MIO's checkpoint, Snake in AnyGPT's."""
    codebook_size: int
    n_q: int
    sample_rate: int

    @classmethod
    def read(cls, path: Path) -> CodecConfig:
        """Read config.json. Raises UsageError when it is missing or lacks a field."""
        try:
            raw: Mapping[str, Json] = json.loads(path.read_bytes())
            fields = {name: raw[name] for name in cls.__dataclass_fields__}
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist; give a SpeechTokenizer folder") from error
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path} is no SpeechTokenizer config: {error}") from error
        return cls(**{**fields, "strides": tuple(fields["strides"])})


class SpeechTokenizer(nn.Module):
    """The codec; use `from_folder` to load one."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        shared: dict[str, Json] = {
            "filters": config.n_filters,
            "dimension": config.dimension,
            "strides": config.strides,
            "lstm_layers": config.lstm_layers,
            "kernel": config.residual_kernel_size,
            "dilation_base": config.dilation_base,
            "residuals": config.n_residual_layers,
            "activation": config.activation,
        }
        self.encoder = encoder(**shared, bidirectional=config.bidirectional)
        self.decoder = decoder(**shared)
        self.codebooks = nn.Parameter(
            torch.empty(config.n_q, config.codebook_size, config.dimension)
        )

    @classmethod
    def from_folder(
        cls, folder: Path, device: str = "cpu", weights: str = WEIGHTS
    ) -> SpeechTokenizer:
        """Load `config.json` and the file `weights`, in float32. Raises UsageError."""
        path = folder / weights
        with torch.device("meta"):
            model = cls(CodecConfig.read(folder / CONFIG))
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            model.load_state_dict(fold(state, model.config.n_q), assign=True)
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist; give a SpeechTokenizer folder") from error
        # torch raises many types for a file that is no checkpoint, or another network's.
        except Exception as error:
            raise UsageError(f"{path} does not fit {folder / CONFIG}: {error}") from error
        return model.to(device).eval()

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.config.sample_rate

    @property
    def hop(self) -> int:
        """Samples a step."""
        return int(np.prod(self.config.strides))

    @torch.inference_mode()
    def encode(self, wave: npt.NDArray[np.float32], levels: int | None = None) -> Tensor:
        """Return the codes of one mono wave of shape (samples,), shape (levels, steps).

        One at a time: the encoder's LSTM reads backwards too, so padding would change codes.
        """
        x = torch.from_numpy(wave)[None, None].to(self.codebooks)
        residual = self.encoder(x)[0].T
        codes = []
        for book in self.codebooks[: levels or self.config.n_q]:
            distance = residual.square().sum(1, keepdim=True) - 2 * residual @ book.T
            found = (distance + book.square().sum(1)).argmin(1)
            residual = residual - book[found]
            codes.append(found)
        return torch.stack(codes)

    @torch.inference_mode()
    def decode(self, codes: Tensor, first: int = 0) -> npt.NDArray[np.float32]:
        """Return the mono wave of codes of shape (levels, steps), from level `first` on."""
        if codes.ndim != 2 or not 0 < len(codes) <= self.config.n_q - first:
            raise ValueError(
                f"codes of shape {tuple(codes.shape)} from level {first}; expected (levels, steps) "
                f"with at most {self.config.n_q - first} levels"
            )
        levels = self.codebooks[first : first + len(codes)]
        steps = sum(book[row] for book, row in zip(levels, codes.to(levels.device), strict=True))
        wave = self.decoder(cast(Tensor, steps).T[None])[0, 0]
        return cast("npt.NDArray[np.float32]", wave.float().cpu().numpy())


def fold(state: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Name a release's weights as ours, with weight normalisation multiplied out.

    Salimans and Kingma, "Weight Normalization" (2016): w = g · v / ‖v‖, one norm an output channel.
    Raises KeyError for a weight that is not there.
    """
    named: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not name.startswith(("encoder.", "decoder.")):
            continue
        new = re.sub(r"\.conv(tr)?\.conv(tr)?\.", ".", name).replace(".model.", ".", 1)
        new = new.replace("parametrizations.weight.original0", "weight_g")
        new = new.replace("parametrizations.weight.original1", "weight_v")
        named[new] = tensor.float()
    for name in [n.removesuffix("_g") for n in named if n.endswith(".weight_g")]:
        g, v = named.pop(f"{name}_g"), named.pop(f"{name}_v")
        named[name] = torch._weight_norm(v, g, 0)
    books = [state[f"quantizer.vq.layers.{i}._codebook.embed"].float() for i in range(levels)]
    return {**named, "codebooks": torch.stack(books)}

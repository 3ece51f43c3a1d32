"""Aesthetic Predictor V2.5: a small head on SigLIP that rates pictures, about 1 to 10.

The author's package (PyPI `aesthetic-predictor-v2-5`) is under the AGPL, so it is no dependency
here. Its model is five linear layers without an activation between them, on SigLIP's normalised
pooled embedding; this file applies them to the author's weights, which have the same licence and
are fetched only on demand. The package itself gives the same numbers where SigLIP's images are
resized by Pillow, as they were when it was published; transformers 5 resizes with torchvision.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..compat import import_torchvision
from ..errors import UsageError
from .checkpoints import digest, exact_inference, model_files, read_weights, slug
from .clip_models import INSTALL, best_device, pretrained
from .clip_preprocess import Preprocess
from .loading import FETCH_AGAIN, Use, loading

if TYPE_CHECKING:
    import PIL.Image

ENCODER = "google/siglip-so400m-patch14-384"
HEAD_URL = (
    "https://github.com/discus0434/aesthetic-predictor-v2-5/raw/main/models/"
    "aesthetic_predictor_v2_5.pth"
)
_WIDTHS = (1024, 128, 64, 16, 1)
_INDICES = (0, 2, 4, 6, 8)  # of the linear layers; dropouts lie between them
USE = Use("the judge aesthetic (it rates images)", "local files: encoder, head", INSTALL)

Floats = npt.NDArray[np.float64]


class AestheticPredictor:
    """Rates images. Not thread-safe while it loads.

    Args:
        encoder: a SigLIP of the hub, `ID` or `ID@REVISION`, or a local folder.
        head: the head's weights file; by default the author's, fetched into torch's hub cache.
        device: torch's name; by default `cuda` where there is one, else `cpu`.
        batch: images in one forward pass.
    """

    def __init__(
        self,
        encoder: str = ENCODER,
        head: Path | None = None,
        device: str | None = None,
        batch: int = 8,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, got {batch}")
        self._encoder, self._head = encoder, head
        self._device = device
        self._batch = batch
        self._loaded: tuple[Any, Preprocess, list[tuple[Any, Any]]] | None = None
        self._identity = ""

    @property
    def identity(self) -> str:
        """Name encoder and head exactly. Loads the models."""
        self.load()
        return self._identity

    def scores(self, images: Sequence[PIL.Image.Image]) -> Floats:
        """Rate images: float64 (n,), about 1 to 10, not clamped.

        Raises:
            UsageError: a package is missing, or the models cannot be fetched or read.
        """
        import torch
        from torch.nn.functional import linear

        model, preprocess, layers = self.load()
        parts = [np.empty(0)]
        with exact_inference():
            for start in range(0, len(images), self._batch):
                pixels = np.stack([preprocess(i) for i in images[start : start + self._batch]])
                x = model(pixel_values=torch.from_numpy(pixels).to(self._device)).pooler_output
                x = x / x.norm(dim=-1, keepdim=True)
                for weight, bias in layers:
                    x = linear(x, weight, bias)
                parts.append(x[:, 0].cpu().numpy().astype(np.float64))
        return np.concatenate(parts)

    def load(self) -> tuple[Any, Preprocess, list[tuple[Any, Any]]]:
        """Load the models, once. Raises UsageError when a package or a file cannot be had."""
        if self._loaded is None:
            with loading(USE, f"{self._encoder} and its head"):
                self._loaded = self._load()
        return self._loaded

    def _load(self) -> tuple[Any, Preprocess, list[tuple[Any, Any]]]:
        import torch

        import_torchvision()  # transformers imports it where it is installed
        from transformers import AutoConfig, SiglipVisionModel
        from transformers.image_processing_base import ImageProcessingMixin

        device = self._device = self._device or best_device(torch)
        folder = Path(self._encoder)
        name, _, revision = self._encoder.partition("@")
        where: dict[str, Any] = {"revision": revision} if revision else {}
        if folder.is_dir():
            name, where = self._encoder, {}
            version = f"sha256-{digest(model_files(folder))}"
        else:
            found = AutoConfig.from_pretrained(name, **where)
            version = getattr(found, "_commit_hash", None) or revision or "main"
            where = {"revision": version}
        settings, _ = ImageProcessingMixin.get_image_processor_dict(name, **where)
        preprocess = Preprocess.from_transformers(settings)
        model = pretrained(SiglipVisionModel, name, **where)
        path = self._head or _fetch_head()
        layers = read_head(path, model.config.hidden_size, device)
        shown = "local" if folder.is_dir() else name
        self._identity = slug(f"aesthetic-v2.5/{shown}@{version}/sha256-{digest([path])}")
        return model.eval().to(device), preprocess, layers


def read_head(path: Path, width: int, device: str = "cpu") -> list[tuple[Any, Any]]:
    """Read the head's (weight, bias) pairs, in order, for embeddings of `width`.

    Raises:
        UsageError: the file does not hold that head. Pickled code in it is never run.
    """
    with loading(USE, f"the head {path}", FETCH_AGAIN):
        state = read_weights(path)
    layers = []
    for index, out in zip(_INDICES, _WIDTHS, strict=True):
        pair: list[Any] = [state.get(f"scoring_head.{index}.{part}") for part in ("weight", "bias")]
        shapes = [None if tensor is None else tuple(tensor.shape) for tensor in pair]
        if shapes != [(out, width), (out,)]:
            raise UsageError(
                f"{USE.role}: {path} is no head for embeddings of {width}: layer {index} has "
                f"shapes {shapes}, expected {[(out, width), (out,)]}"
            )
        layers.append((pair[0].float().to(device), pair[1].float().to(device)))
        width = out
    return layers


def _fetch_head() -> Path:
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / HEAD_URL.rpartition("/")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(HEAD_URL, str(path), progress=False)
    return path

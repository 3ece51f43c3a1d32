"""Image and text encoders of the CLIP family: open_clip and transformers behind one interface.

Everything runs in float32 without TF32. The images of a pair must go through one encoder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..compat import import_torchvision
from ..errors import UsageError, unknown
from .checkpoints import digest, exact_inference, load_complete, model_files, slug
from .clip_preprocess import Preprocess
from .loading import Use, loading

if TYPE_CHECKING:
    import PIL.Image

Embeddings = npt.NDArray[np.float32]
Tensor = Any  # torch is imported when an encoder loads

INSTALL = "pip install 'mio-eval[clip]'"
USE = Use(
    "the judge clip (it compares images and texts)",
    "local files: --judge clip=hf/FOLDER or clip=open_clip/MODEL/CHECKPOINT",
    INSTALL,
)
_SPEC = "expected open_clip/MODEL/PRETRAINED, hf/ID or hf/ID@REVISION"
_FAMILIES = ("clip", "siglip")  # transformers' model types


class ClipEncoder(ABC):
    """Encodes images and texts into one space.

    Attributes:
        identity: names model and weights in signatures: lower case, no spaces.
        preprocess: from an image to the model's input.
        truncated: how many texts so far were longer than the model reads, and were cut.
    """

    def __init__(self, identity: str, preprocess: Preprocess, device: str, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, got {batch}")
        self.identity = slug(identity)
        self.preprocess = preprocess
        self.device = device
        self.batch = batch
        self.truncated = 0

    @property
    def crop(self) -> str:
        """The crop rule: `center-floor`, `center-round` or `none`."""
        return self.preprocess.crop

    def keys(self) -> list[tuple[str, str]]:
        """List the signature's keys that the encoder decides, in their order."""
        return [("enc", self.identity), ("crop", self.crop)]

    def images(self, images: Sequence[PIL.Image.Image]) -> Embeddings:
        """Embed images: float32 (n, d), rows of length 1. Raises ValueError if not finite."""
        import torch

        def embed(part: Sequence[PIL.Image.Image]) -> Tensor:
            pixels = np.stack([self.preprocess(image) for image in part])
            return self.embed_pixels(torch.from_numpy(pixels).to(self.device))

        return self._embed(images, embed)

    def texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts: float32 (n, d), rows of length 1. Raises ValueError if not finite.

        A text beyond the model's context (77 tokens for CLIP) is cut; its last token becomes the
        end-of-text token, and `truncated` counts it.
        """

        def embed(part: Sequence[str]) -> Tensor:
            tokens = self.tokenize(part, 0)["input_ids"]
            longer = self.tokenize(part, 1)["input_ids"][:, :-1]
            # With one more place, the end-of-text token of a cut text moves out of its old one.
            self.truncated += int((tokens != longer).any(dim=1).sum())
            return self.embed_tokens(self.tokenize(part, 0))

        return self._embed(texts, embed)

    @abstractmethod
    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """Embed preprocessed images, (n, 3, height, width) to (n, d), not normalised."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str], extra: int) -> dict[str, Tensor]:
        """Return `input_ids` (n, context + extra), and what else `embed_tokens` wants."""

    @abstractmethod
    def embed_tokens(self, tokens: dict[str, Tensor]) -> Tensor:
        """Embed what `tokenize` gave (with extra = 0) to (n, d), not normalised."""

    def _embed(self, items: Sequence[Any], embed: Callable[[Sequence[Any]], Tensor]) -> Embeddings:
        if not len(items):
            raise ValueError("nothing to embed")
        parts = []
        with exact_inference():
            for start in range(0, len(items), self.batch):
                part = embed(items[start : start + self.batch])
                parts.append(part.float().cpu().numpy().astype(np.float64))
        vectors = np.concatenate(parts)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(norms) & (norms > 0)).all():
            raise ValueError(f"{self.identity}: an embedding is zero or not finite")
        unit: Embeddings = (vectors / norms).astype(np.float32)
        return unit


class OpenClipEncoder(ClipEncoder):
    """An open_clip model: texts through its own tokenizer, images cropped `center-round`."""

    def __init__(self, identity: str, model: Any, tokenizer: Any, device: str, batch: int) -> None:
        preprocess = Preprocess.from_open_clip(model.visual.preprocess_cfg)
        super().__init__(identity, preprocess, device, batch)
        self._model = model.float().eval().to(device)
        self._tokenizer = tokenizer

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        return self._model.encode_image(pixels)

    def tokenize(self, texts: Sequence[str], extra: int) -> dict[str, Tensor]:
        length = self._tokenizer.context_length + extra
        return {"input_ids": self._tokenizer(list(texts), context_length=length)}

    def embed_tokens(self, tokens: dict[str, Tensor]) -> Tensor:
        return self._model.encode_text(tokens["input_ids"].to(self.device))


class TransformersEncoder(ClipEncoder):
    """A CLIP or SigLIP model of transformers; the tokenizer is loaded with the first text."""

    def __init__(
        self,
        identity: str,
        model: Any,
        preprocess: Preprocess,
        load_tokenizer: Callable[[], Any],
        device: str,
        batch: int,
    ) -> None:
        super().__init__(identity, preprocess, device, batch)
        self._model = model.float().eval().to(device)
        self._load_tokenizer = load_tokenizer
        self._tokenizer: Any = None

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        return _pooled(self._model.get_image_features(pixel_values=pixels))

    def tokenize(self, texts: Sequence[str], extra: int) -> dict[str, Tensor]:
        if self._tokenizer is None:
            self._tokenizer = self._load_tokenizer()
        length = self._model.config.text_config.max_position_embeddings + extra
        return dict(
            self._tokenizer(
                list(texts),
                padding="max_length",
                truncation=True,
                max_length=length,
                return_tensors="pt",
            )
        )

    def embed_tokens(self, tokens: dict[str, Tensor]) -> Tensor:
        given = {key: value.to(self.device) for key, value in tokens.items()}
        return _pooled(self._model.get_text_features(**given))


def load_encoder(spec: str, device: str | None = None, batch: int = 32) -> ClipEncoder:
    """Load an encoder by its name.

    Args:
        spec: `open_clip/MODEL/PRETRAINED` with a pretrained tag of open_clip or a checkpoint file,
            or `hf/ID`, `hf/ID@REVISION`, `hf/FOLDER` for transformers.
        device: torch's name; by default `cuda` where there is one, else `cpu`.
        batch: images or texts in one forward pass.

    Raises:
        UsageError: an unknown name, a missing package, a model that cannot be fetched or read.
    """
    kind, _, rest = spec.partition("/")
    loaders = {"open_clip": _load_open_clip, "hf": _load_transformers}
    if kind not in loaders or not rest:
        raise UsageError(f"{USE.role}: unknown encoder {spec!r}; {_SPEC}")
    with loading(USE, spec):
        import torch

        return loaders[kind](rest, device or best_device(torch), batch)


def _load_open_clip(rest: str, device: str, batch: int) -> ClipEncoder:
    import_torchvision()
    import open_clip

    name, _, pretrained = rest.partition("/")
    if not pretrained:
        raise UsageError(f"unknown encoder 'open_clip/{rest}'; {_SPEC}")
    if name not in open_clip.list_models():
        raise unknown("open_clip model", name, open_clip.list_models())
    quick = _uses_quick_gelu(open_clip, name)
    weights = pretrained
    if Path(pretrained).is_file():
        weights = f"sha256-{digest([Path(pretrained)])}"
    else:
        tags = open_clip.list_pretrained_tags_by_model(name)
        if pretrained not in tags:
            raise unknown(f"checkpoint of open_clip's {name}, file or tag,", pretrained, tags)
        wanted = bool(open_clip.get_pretrained_cfg(name, pretrained).get("quick_gelu", False))
        if quick and not wanted:
            plain = name.removesuffix("-quickgelu")
            raise UsageError(f"{pretrained} was trained without QuickGELU: open_clip/{plain}/…")
        quick = wanted  # else open_clip warns, and computes with another activation function
    model = open_clip.create_model(
        name,
        pretrained=pretrained,
        device="cpu",
        precision="fp32",
        force_quick_gelu=quick,
        require_pretrained=True,
    )
    tokenizer = open_clip.get_tokenizer(name)
    return OpenClipEncoder(f"open_clip/{name}/{weights}", model, tokenizer, device, batch)


def _uses_quick_gelu(open_clip: Any, name: str) -> bool:
    return bool((open_clip.get_model_config(name) or {}).get("quick_gelu", False))


def _load_transformers(rest: str, device: str, batch: int) -> ClipEncoder:
    import_torchvision()  # transformers imports it where it is installed
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.image_processing_base import ImageProcessingMixin

    folder = Path(rest)
    name, _, revision = (rest, "", "") if folder.is_dir() else rest.partition("@")
    where: dict[str, Any] = {"revision": revision} if revision else {}
    config = AutoConfig.from_pretrained(name, **where)
    if config.model_type not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise UsageError(f"hf/{rest} is a {config.model_type} model; supported: {known}")
    if folder.is_dir():
        identity = f"hf/local@sha256-{digest(model_files(folder))}"
    else:
        # The commit is asked for once: what the files are, not what a branch points at.
        commit = getattr(config, "_commit_hash", None) or revision
        where = {"revision": commit} if commit else {}
        identity = f"hf/{name}@{commit or 'main'}"
    settings, _ = ImageProcessingMixin.get_image_processor_dict(name, **where)
    model = pretrained(AutoModel, name, **where)

    vocabulary = config.text_config.vocab_size

    def load_tokenizer() -> Any:
        with loading(USE, f"the tokenizer of hf/{rest}"):
            tokenizer = AutoTokenizer.from_pretrained(name, **where)
        # Without its files transformers makes up a tokenizer that knows three tokens.
        if len(tokenizer) < 0.9 * vocabulary:
            raise UsageError(
                f"the tokenizer of hf/{rest} has {len(tokenizer)} tokens, its model {vocabulary}: "
                "the folder lacks the tokenizer's files"
            )
        return tokenizer

    preprocess = Preprocess.from_transformers(settings)
    return TransformersEncoder(identity, model, preprocess, load_tokenizer, device, batch)


def _pooled(output: Any) -> Tensor:
    return getattr(output, "pooler_output", output)  # transformers 4 gave the tensor itself


def pretrained(model_class: Any, name: str, **where: Any) -> Any:
    """Load a transformers model in float32, with every weight from the checkpoint.

    Raises:
        UsageError: the checkpoint lacks weights (transformers would make them up, at random).
    """
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return load_complete(model_class, name, dtype="float32", **where)
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def best_device(torch: Any) -> str:
    """Return `cuda` where torch has one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"

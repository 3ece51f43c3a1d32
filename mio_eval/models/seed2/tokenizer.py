"""SEED-2 itself: image → codes, codes → the embedding that unCLIP paints from.

Ge et al., "Making LLaMA SEE and Draw with SEED Tokenizer" (2023), section 3; reference
implementation AILab-CVC/SEED, as bundled with MIO. An EVA-CLIP ViT and a Q-Former whose queries see
only earlier queries give 32 vectors, each replaced by its nearest entry of a codebook.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ...compat import import_torchvision
from ...errors import UsageError
from .weights import TEXT_HEAD, VISION_HEAD, SeedSizes, SeedWeights, read_weights

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
STD = (0.26862954, 0.26130258, 0.27577711)
RESIZES = ("bilinear", "bicubic")


class SeedTokenizer(nn.Module):
    """The tokenizer, built from a checkpoint's sizes; use `from_folder` to load one."""

    def __init__(self, sizes: SeedSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, code = sizes.qformer[0], sizes.codes[1]
        self.vision = _vision_model(sizes)
        self.qformer = _qformer_model(sizes)
        self.query_tokens = nn.Parameter(torch.empty(1, sizes.queries, width))
        self.to_code = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, code))
        self.codebook = nn.Parameter(torch.empty(sizes.codes))
        self.from_code = nn.Sequential(nn.Linear(code, code), nn.Tanh(), nn.Linear(code, width))
        self.position = nn.Parameter(torch.empty(1, sizes.queries, width))
        depth, hidden = sizes.decoder
        self.blocks = nn.ModuleList(_block(width, hidden) for _ in range(depth))
        first, second, third = sizes.down
        self.down = nn.Sequential(
            nn.Linear(width, first, bias=False),
            nn.ReLU(),
            nn.Linear(first, second, bias=False),
            nn.ReLU(),
            nn.Linear(second, third, bias=False),
        )
        self.project = nn.Linear(sizes.queries * third, sizes.embedding)
        causal = torch.tril(torch.ones(sizes.queries, sizes.queries, dtype=torch.bool))
        self.register_buffer("causal", causal[None, None], persistent=False)

    @classmethod
    def from_folder(
        cls, folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> SeedTokenizer:
        """Load the release's `seed-tokenizer-2` folder. Raises UsageError when it cannot."""
        import_torchvision()  # transformers' vision models import it where it is installed
        weights = read_weights(folder)
        with torch.device("meta"):
            model = cls(weights.sizes)
        try:
            model.load_weights(weights)
        except (KeyError, RuntimeError) as error:
            raise UsageError(
                f"{folder} is not the SEED-2 tokenizer that MIO was released with: "
                f"{' '.join(str(error).split())[:300]}"
            ) from error
        return model.to(device=device, dtype=dtype).eval()

    def load_weights(self, weights: SeedWeights) -> None:
        """Put weights into place. Raises KeyError or RuntimeError when one is missing or odd."""
        self.vision.load_state_dict(weights.vision, assign=True)
        self.qformer.load_state_dict(weights.qformer, assign=True)
        missing, unknown = self.load_state_dict(weights.rest, strict=False, assign=True)
        left = [name for name in missing if not name.startswith(("vision.", "qformer."))]
        if left or unknown:
            raise KeyError((left or unknown)[0])
        size = self.sizes.queries  # not a weight, so still without values
        self.causal = torch.tril(torch.ones(size, size, dtype=torch.bool))[None, None]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.codebook.device

    def pixels(self, image: Image, resize: str = "bilinear") -> Tensor:
        """Turn an image into pixels of shape (3, size, size), its aspect ratio not kept.

        MIO's release resizes bilinearly, SEED's own evaluation bicubically; both with Pillow.
        """
        from PIL.Image import Resampling

        side = (self.sizes.image, self.sizes.image)
        small = image.convert("RGB").resize(side, Resampling[resize.upper()])
        raw = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8)
        scaled = raw.view(*side, 3).permute(2, 0, 1).float() / 255
        return (scaled - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)

    @torch.inference_mode()
    def features(self, pixels: Tensor) -> Tensor:
        """Return the vectors before quantisation, shape (n, queries, code width)."""
        pixels = pixels.to(self.device, self.codebook.dtype)
        seen = self.vision(pixels).last_hidden_state
        queries = self.query_tokens.expand(len(pixels), -1, -1)
        mask = self.causal.expand(len(pixels), -1, -1, -1)
        found = self.qformer(queries, attention_mask=mask, encoder_hidden_states=seen)
        return cast(Tensor, self.to_code(found.last_hidden_state))

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Return the codes, shape (n, queries), of pixels of shape (n, 3, size, size)."""
        vectors = self.features(pixels)
        flat = vectors.reshape(-1, vectors.shape[-1])
        # Written out as in the release: torch.cdist may break a tie of two entries otherwise.
        squares = flat.square().sum(1, keepdim=True) + self.codebook.square().sum(1)
        distance = squares - 2 * flat @ self.codebook.T
        return distance.argmin(1).view(len(vectors), -1)

    @torch.inference_mode()
    def embed(self, codes: Tensor) -> Tensor:
        """Return the image embeddings of codes, shape (n, embedding), from shape (n, queries)."""
        if codes.ndim != 2 or codes.shape[1] != self.sizes.queries:
            raise ValueError(
                f"codes of shape {tuple(codes.shape)}; expected (n, {self.sizes.queries})"
            )
        hidden = self.from_code(self.codebook[codes.to(self.device)]) + self.position
        for block in self.blocks:
            hidden = block(hidden)
        return cast(Tensor, self.project(self.down(hidden).flatten(1)))


def _vision_model(sizes: SeedSizes) -> nn.Module:
    from transformers import Blip2VisionConfig, Blip2VisionModel

    width, depth, hidden = sizes.vision
    model: nn.Module = Blip2VisionModel(
        Blip2VisionConfig(
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=depth,
            num_attention_heads=max(1, width // VISION_HEAD),
            image_size=sizes.image,
            patch_size=sizes.patch,
            hidden_act="gelu",
            layer_norm_eps=1e-6,
            qkv_bias=True,
        )
    )
    # The release's last norm is BLIP-2's `ln_vision`, which has torch's epsilon.
    model.post_layernorm = nn.LayerNorm(width, eps=1e-5)
    return model


def _qformer_model(sizes: SeedSizes) -> nn.Module:
    from transformers import Blip2QFormerConfig, Blip2QFormerModel

    width, depth, hidden = sizes.qformer
    model: nn.Module = Blip2QFormerModel(
        Blip2QFormerConfig(
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=depth,
            num_attention_heads=max(1, width // TEXT_HEAD),
            encoder_hidden_size=sizes.vision[0],
            cross_attention_frequency=2,
            hidden_act="gelu",
            layer_norm_eps=1e-12,
            use_qformer_text_input=False,
        )
    )
    return model


def _block(width: int, hidden: int) -> nn.Module:
    """One ViT block of the decoder: torch's own layer computes it."""
    return nn.TransformerEncoderLayer(
        width,
        max(1, width // TEXT_HEAD),
        hidden,
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    )

"""Image embeddings → images, by Stable unCLIP 2.1 as diffusers ships it.

MIO's release draws the first latent once, unseeded, when it loads, and uses it for every image; the
noise on the embedding at level 0 is drawn anew each time. Here both come from seeds that are named,
so that a picture can be made again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...compat import import_torchvision
from ...errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

STEPS = 20
GUIDANCE = 10.0
NOISE_LEVEL = 0


class UnClip:
    """Stable unCLIP with one latent for all images.

    Args:
        folder: the release's `stable-diffusion-2-1-unclip` folder.
        device: where to run.
        dtype: a torch dtype.
        latent_seed: of the latent that every image starts from.
    """

    def __init__(self, folder: Path, device: str, dtype: Any, latent_seed: int) -> None:
        import torch

        import_torchvision()  # diffusers imports it where it is installed
        try:
            from diffusers import StableUnCLIPImg2ImgPipeline
        except ImportError as error:
            raise UsageError(
                "painting images from SEED-2 codes needs diffusers: pip install 'mio-eval[hf]'"
            ) from error
        try:
            self._pipe = StableUnCLIPImg2ImgPipeline.from_pretrained(folder, dtype=dtype)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{folder} is no Stable unCLIP pipeline: {' '.join(str(error).split())[:300]}"
            ) from error
        self._pipe.to(device)
        self._pipe.set_progress_bar_config(disable=True)
        unet = self._pipe.unet.config
        shape = (1, unet.in_channels, unet.sample_size, unet.sample_size)
        # Drawn on the CPU, so that it is the same on every device.
        first = torch.Generator("cpu").manual_seed(latent_seed)
        self._latent = torch.randn(shape, generator=first, dtype=torch.float32)

    @property
    def embedding(self) -> int:
        """Width of the embeddings it takes."""
        return int(self._pipe.image_encoder.config.projection_dim)

    def paint(
        self, embedding: Tensor, seed: int, steps: int = STEPS, guidance: float = GUIDANCE
    ) -> Image:
        """Paint one image from an embedding of shape (width,); `seed` is of the noise on it."""
        import torch

        unet = self._pipe.unet
        image: Image = self._pipe(
            prompt="",
            image_embeds=embedding[None].to(unet.device, unet.dtype),
            guidance_scale=guidance,
            noise_level=NOISE_LEVEL,
            num_inference_steps=steps,
            latents=self._latent.to(unet.device, unet.dtype),
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]
        return image

    def close(self) -> None:
        """Free the pipeline."""
        del self._pipe

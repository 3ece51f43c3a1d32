"""Records what the released unCLIP pipeline paints, for `tests/models/mio/test_unclip.py`.

Run it beside a checkout of github.com/MIO-Team/MIO, in the folder tests/, in an environment with
torch, transformers 4.46 and diffusers 0.31:

    python -m reference.unclip --reference MIO --out golden/mio/unclip.npz

A small pipeline is made from named weights (see weights.py) by `write_pipeline`, which the test
uses too. The released code draws its noise from torch's global generator; it is seeded.

With `--full` the text encoder, UNet and VAE have the released sizes (1.3 billion parameters, two
steps, minutes on a CPU), and with `--ours` mio-eval paints the same, in its own environment; the
two files are compared by `--compare`:

    python -m reference.unclip --full --reference MIO --out theirs.npz
    python -m reference.unclip --full --ours --out ours.npz
    python -m reference.unclip --compare theirs.npz ours.npz
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference.weights import make_weight, make_weights

WIDTH = 32  # of the image embeddings
LATENT_SEED = 3
NOISE_SEED = 11
STEPS = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a pipeline with the components of stable-diffusion-2-1-unclip."""

    width: int = WIDTH
    inner: int = 37
    layers: int = 2
    heads: int = 4
    latent: int = 8
    blocks: tuple[int, ...] = (32, 64)
    block_heads: tuple[int, ...] = (2, 4)
    block_layers: int = 1
    vae: tuple[int, ...] = (32, 32)
    vae_layers: int = 1
    groups: int = 8
    steps: int = STEPS


SMALL = Sizes()
FULL = Sizes(
    width=1024,
    inner=4096,
    layers=23,
    heads=16,
    latent=96,
    blocks=(320, 640, 1280, 1280),
    block_heads=(5, 10, 20, 20),
    block_layers=2,
    vae=(128, 256, 512, 512),
    vae_layers=2,
    groups=32,
    steps=2,
)


def write_pipeline(folder: Path, sizes: Sizes = SMALL) -> Path:
    """Write a pipeline with the components of stable-diffusion-2-1-unclip.

    Its vision encoder is always small: embeddings are given, so it is never run.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
    from diffusers import StableUnCLIPImg2ImgPipeline as Pipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
        StableUnCLIPImageNormalizer,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    words = folder / "words"
    words.mkdir(parents=True)
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary += [letter + "</w>" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (words / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(vocabulary)}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"))
    tokenizer.model_max_length = 8
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=sizes.width,
            intermediate_size=sizes.inner,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            vocab_size=len(vocabulary),
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    image = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=28,
            patch_size=14,
            projection_dim=sizes.width,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=sizes.latent,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D",) * (len(sizes.blocks) - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (len(sizes.blocks) - 1),
        block_out_channels=sizes.blocks,
        attention_head_dim=sizes.block_heads,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * sizes.width,
        cross_attention_dim=sizes.width,
        layers_per_block=sizes.block_layers,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=sizes.vae,
        down_block_types=("DownEncoderBlock2D",) * len(sizes.vae),
        up_block_types=("UpDecoderBlock2D",) * len(sizes.vae),
        layers_per_block=sizes.vae_layers,
        latent_channels=4,
        norm_num_groups=sizes.groups,
    )
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=sizes.width)
    for module in (text, image, unet, vae, normalizer):
        # transformers 5 calls them without this prefix.
        named = {
            name.removeprefix("text_model.").removeprefix("vision_model."): value
            for name, value in module.named_parameters()
        }
        values = make_weights({name: tuple(value.shape) for name, value in named.items()})
        if module is normalizer:
            values["std"] = values["std"].abs() + 0.5
        with torch.no_grad():
            for name, value in named.items():
                value.copy_(values[name])
    Pipeline(
        feature_extractor=CLIPImageProcessor(size=28, crop_size=28),
        image_encoder=image.eval(),
        image_normalizer=normalizer.eval(),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=tokenizer,
        text_encoder=text.eval(),
        unet=unet.eval(),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            set_alpha_to_one=False,
            steps_offset=1,
            clip_sample=False,
        ),
        vae=vae.eval(),
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def embedding(sizes: Sizes = SMALL) -> torch.Tensor:
    """Make one image embedding, shape (width,)."""
    return make_weight("image embedding norm", (sizes.width,)) * 10


def latent(sizes: Sizes) -> torch.Tensor:
    """Make the latent that every image starts from."""
    generator = torch.Generator("cpu").manual_seed(LATENT_SEED)
    return torch.randn((1, 4, sizes.latent, sizes.latent), generator=generator)


def theirs(folder: Path, sizes: Sizes, reference: Path) -> dict[str, np.ndarray]:
    """Paint with the released code."""
    import diffusers.loaders
    import diffusers.utils
    from diffusers.utils.torch_utils import randn_tensor

    # Names that moved between diffusers 0.20 and 0.31.
    diffusers.utils.randn_tensor = randn_tensor
    diffusers.loaders.LoraLoaderMixin = diffusers.loaders.StableDiffusionLoraLoaderMixin
    sys.path.insert(0, str(reference / "image_tokenizer" / "models"))
    from pipeline_stable_unclip_img2img import StableUnCLIPImg2ImgPipeline

    released = StableUnCLIPImg2ImgPipeline.from_pretrained(folder)
    released.set_progress_bar_config(disable=True)
    seen = {}
    encode = released._encode_image
    released._encode_image = lambda **given: seen.setdefault("condition", encode(**given))
    torch.manual_seed(NOISE_SEED)
    image = released(
        image_embeds=embedding(sizes)[None],
        guidance_scale=10,
        noise_level=0,
        num_inference_steps=sizes.steps,
        latents=latent(sizes),
        output_type="np",
    ).images[0]
    return {"condition": seen["condition"].numpy(), "image": image}


def ours(folder: Path, sizes: Sizes) -> dict[str, np.ndarray]:
    """Paint with mio-eval."""
    from mio_eval.models.seed2.unclip import UnClip

    unclip = UnClip(folder, "cpu", torch.float32, LATENT_SEED)
    pipe = unclip._pipe
    seen = {}
    encode, show = pipe._encode_image, pipe.image_processor.postprocess

    def shown(image: torch.Tensor, **given: Any) -> Any:
        seen["image"] = show(image, output_type="np")[0]
        return show(image, **given)

    pipe._encode_image = lambda **given: seen.setdefault("condition", encode(**given))
    pipe.image_processor.postprocess = shown
    unclip.paint(embedding(sizes), NOISE_SEED, steps=sizes.steps)
    return {"condition": seen["condition"].numpy(), "image": seen["image"]}


@torch.no_grad()
def main() -> None:
    """Run the reference, or mio-eval, and write its outputs; or compare two such files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--compare", type=Path, nargs=2)
    options = parser.parse_args()
    if options.compare:
        first, second = (np.load(path) for path in options.compare)
        for name in ("condition", "image"):
            a, b = first[name].astype(float), second[name].astype(float)
            sys.stdout.write(
                f"{name} {a.shape}: largest difference {np.abs(a - b).max():.3g}, relative "
                f"{np.linalg.norm(a - b) / np.linalg.norm(a):.3g}; spread {a.std():.3g}\n"
            )
        return
    sizes = FULL if options.full else SMALL
    if options.ours:
        from mio_eval.compat import import_torchvision

        import_torchvision()
    with tempfile.TemporaryDirectory() as name:
        folder = write_pipeline(Path(name) / "pipeline", sizes)
        found = ours(folder, sizes) if options.ours else theirs(folder, sizes, options.reference)
    np.savez_compressed(options.out, **found)


if __name__ == "__main__":
    main()

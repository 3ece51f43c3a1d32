"""Records what the released unCLIP pipeline paints, for `tests/models/mio/test_unclip.py`.

Run it beside a checkout of github.com/MIO-Team/MIO, in the folder tests/, in an environment with
torch, transformers 4.46 and diffusers 0.31:

    python -m reference.unclip --reference MIO --out golden/mio/unclip.npz

A small pipeline is made from named weights (see weights.py) by `write_pipeline`, which the test
uses too. The released code draws its noise from torch's global generator; it is seeded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from reference.weights import make_weight, make_weights

WIDTH = 32  # of the image embeddings
LATENT_SEED = 3
NOISE_SEED = 11
STEPS = 4


def write_pipeline(folder: Path) -> Path:
    """Write a small pipeline with the components of stable-diffusion-2-1-unclip."""
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
    small = {"hidden_size": WIDTH, "intermediate_size": 37, "num_hidden_layers": 2}
    text = CLIPTextModel(
        CLIPTextConfig(
            **small,
            num_attention_heads=4,
            vocab_size=len(vocabulary),
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    image = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            **small, num_attention_heads=4, image_size=28, patch_size=14, projection_dim=WIDTH
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 64),
        attention_head_dim=(2, 4),
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * WIDTH,
        cross_attention_dim=WIDTH,
        layers_per_block=1,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
    )
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=WIDTH)
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


def embedding() -> torch.Tensor:
    """Make one image embedding, shape (WIDTH,)."""
    return make_weight("image embedding norm", (WIDTH,)) * 10


def latent() -> torch.Tensor:
    """Make the latent that every image starts from."""
    generator = torch.Generator("cpu").manual_seed(LATENT_SEED)
    return torch.randn((1, 4, 8, 8), generator=generator)


@torch.no_grad()
def main() -> None:
    """Run the reference and write its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    import diffusers.loaders
    import diffusers.utils
    from diffusers.utils.torch_utils import randn_tensor

    # Names that moved between diffusers 0.20 and 0.31.
    diffusers.utils.randn_tensor = randn_tensor
    diffusers.loaders.LoraLoaderMixin = diffusers.loaders.StableDiffusionLoraLoaderMixin
    sys.path.insert(0, str(options.reference / "image_tokenizer" / "models"))
    from pipeline_stable_unclip_img2img import StableUnCLIPImg2ImgPipeline

    with tempfile.TemporaryDirectory() as folder:
        released = StableUnCLIPImg2ImgPipeline.from_pretrained(write_pipeline(Path(folder) / "p"))
    released.set_progress_bar_config(disable=True)
    seen = {}
    encode = released._encode_image
    released._encode_image = lambda **given: seen.setdefault("condition", encode(**given))
    torch.manual_seed(NOISE_SEED)
    image = released(
        image_embeds=embedding()[None],
        guidance_scale=10,
        noise_level=0,
        num_inference_steps=STEPS,
        latents=latent(),
        output_type="np",
    ).images[0]
    np.savez_compressed(options.out, condition=seen["condition"].numpy(), image=image)


if __name__ == "__main__":
    main()

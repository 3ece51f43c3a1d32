"""Text-to-image models of random weights: the real classes, as small as they go."""

# ruff: noqa: S106  (special tokens are no passwords)

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from models.hf.tiny_words import byte_letters, word_level, write_vocabulary

CHATS = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{{ '<image> ' if part['type'] == 'image' else part['text'] }}{% endfor %}{% endfor %} draw: "
)


def clip_tokenizer(folder: Path, length: int = 77) -> transformers.CLIPTokenizer:
    """CLIP's tokenizer, a token a letter."""
    letters = byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = write_vocabulary(folder, words), folder / "merges.txt"
    merges.write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer(
        str(vocabulary), str(merges), model_max_length=length, pad_token="<|endoftext|>"
    )


def clip_text(tokenizer: transformers.CLIPTokenizer, **more: int) -> transformers.CLIPTextConfig:
    return transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **more,
    )


def autoencoder():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[16, 16],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
        norm_num_groups=4,
    )


def unet(**more):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=4,
        **more,
    )


def write_stable_diffusion(folder: Path, checker: float | None = None) -> Path:
    """Stable Diffusion 1. `checker` is its safety checker's threshold: −2 flags every image."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    torch.manual_seed(0)
    tokenizer = clip_tokenizer(folder / "words")
    safety = None
    if checker is not None:
        eye = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
        eye |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16, "projection_dim": 8}
        safety = StableDiffusionSafetyChecker(
            transformers.CLIPConfig(vision_config=eye, projection_dim=8)
        )
        safety.concept_embeds_weights.data.fill_(checker)
        safety.special_care_embeds_weights.data.fill_(2.0)
    size = {"shortest_edge": 32}
    StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=transformers.CLIPTextModel(clip_text(tokenizer)),
        tokenizer=tokenizer,
        unet=unet(cross_attention_dim=16),
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=safety,
        feature_extractor=transformers.CLIPImageProcessor(
            size=size, crop_size={"height": 32, "width": 32}
        )
        if safety
        else None,
        requires_safety_checker=safety is not None,
    ).save_pretrained(folder)
    return folder


def write_sdxl(folder: Path) -> Path:
    """SDXL, whose scheduler draws noise at every step."""
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline

    torch.manual_seed(0)
    tokenizer = clip_tokenizer(folder / "words")
    StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=transformers.CLIPTextModel(clip_text(tokenizer)),
        text_encoder_2=transformers.CLIPTextModelWithProjection(
            clip_text(tokenizer, projection_dim=16)
        ),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet(
            cross_attention_dim=32,
            transformer_layers_per_block=(1, 1),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
        ),
        scheduler=EulerAncestralDiscreteScheduler(),
    ).save_pretrained(folder)
    return folder


def write_flux(folder: Path) -> Path:
    """Flux: CLIP beside a T5, which reads more."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxPipeline,
        FluxTransformer2DModel,
    )

    torch.manual_seed(0)
    tokenizer = clip_tokenizer(folder / "words")
    t5 = word_level(["<pad>", "</s>", "<unk>", "a", "b", "cat"], model_max_length=512)
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            block_out_channels=(4,),
            down_block_types=("DownEncoderBlock2D",),
            up_block_types=("UpDecoderBlock2D",),
            latent_channels=1,
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.06,
            scaling_factor=1.5,
        ),
        text_encoder=transformers.CLIPTextModel(clip_text(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=transformers.T5EncoderModel(
            transformers.T5Config(
                vocab_size=len(t5), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2
            )
        ),
        tokenizer_2=t5,
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            pooled_projection_dim=16,
            axes_dims_rope=[4, 4, 8],
        ),
    ).save_pretrained(folder)
    return folder


def word_tokenizer(words: list[str], **special: str) -> transformers.PreTrainedTokenizerFast:
    """A token a word; what is unknown is <unk>; `special` names some, as image_token."""
    tokenizer = word_level(["<unk>", *words], bos_token="<s>", extra_special_tokens=special)
    tokenizer.padding_side = "left"
    return tokenizer


def ends(tokenizer: transformers.PreTrainedTokenizerFast) -> dict[str, int]:
    """Return the special tokens that configurations of models repeat."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def token_llm(tokenizer: transformers.PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return the sizes of a language model that writes an image token by token."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "initializer_range": 0.5,
        **ends(tokenizer),
    }


def write_janus(folder: Path) -> Path:
    """Janus: nine image tokens, 6 × 6 pixels."""
    tokenizer = word_tokenizer(
        ["<s>", "</s>", "<pad>", "<image>", "<boi>", "<eoi>", "a", "cat", "dog", "draw:"]
        + [f"word{number}" for number in range(40)],
        image_token="<image>",
        boi_token="<boi>",
        eoi_token="<eoi>",
    )
    eye = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 6}
    eye |= {"patch_size": 2, "projection_dim": 16, "num_image_tokens": 9, "mlp_ratio": 1.0}
    text = transformers.LlamaConfig(**token_llm(tokenizer))
    codes = {"embed_dim": 4, "num_embeddings": 32, "latent_channels": 8, "base_channels": 32}
    codes |= {"channel_multiplier": [1, 1], "num_res_blocks": 1, "image_token_embed_dim": 16}
    codes |= {"projection_dim": 16, "num_hidden_layers": 1, "initializer_range": 0.5}
    config = transformers.JanusConfig(
        text_config=text,
        vision_config=transformers.JanusVisionConfig(**eye),
        vq_config=transformers.JanusVQVAEConfig(**codes),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(0)
    model = transformers.JanusForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        **ends(tokenizer),
        guidance_scale=5,
        boi_token_id=tokenizer.convert_tokens_to_ids("<boi>"),
        generation_kwargs={"boi_token_id": tokenizer.convert_tokens_to_ids("<boi>")},
    )
    model.save_pretrained(folder)
    transformers.JanusProcessor(
        transformers.JanusImageProcessor(size={"height": 6, "width": 6}, min_size=2),
        tokenizer,
        chat_template=CHATS,
        num_image_tokens=9,
    ).save_pretrained(folder)
    return folder


def write_emu3(folder: Path) -> Path:
    """Emu3 with 16 visual tokens."""
    visual = [f"<|visual token {number:06d}|>" for number in range(16)]
    marks = ["<boi>", "<eoi>", "<eof>", "<wrap>", "<image>", "<|extra_200|>"]
    sizes = [f"<boi>{height}*{width}<wrap>" for height, width in ((2, 2), (2, 4))]
    tokenizer = word_tokenizer(
        ["<s>", "</s>", "<pad>", *marks, *visual, "a", "cat", "dog", *sizes],
        image_token="<image>",
        boi_token="<boi>",
        eoi_token="<eoi>",
        image_wrapper_token="<wrap>",
        eof_token="<eof>",
    )
    vocabulary = tokenizer.get_vocab()
    text = transformers.Emu3TextConfig(
        **token_llm(tokenizer),
        attention_dropout=0.0,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    )
    codes = transformers.Emu3VQVAEConfig(
        codebook_size=16,
        embed_dim=4,
        latent_channels=4,
        base_channels=32,
        channel_multiplier=[1, 1, 1, 1],
        num_res_blocks=1,
        attn_resolutions=[],
        hidden_size=32,
    )
    torch.manual_seed(0)
    model = transformers.Emu3ForConditionalGeneration(
        transformers.Emu3Config(text_config=text, vq_config=codes, vocabulary_map=vocabulary)
    )
    model.generation_config = transformers.GenerationConfig(**ends(tokenizer), guidance_scale=3.0)
    model.save_pretrained(folder)
    transformers.Emu3Processor(
        transformers.Emu3ImageProcessor(min_pixels=16, max_pixels=4096), tokenizer
    ).save_pretrained(folder)
    return folder

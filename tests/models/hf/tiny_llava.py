"""Tiny LLaVA, LLaVA-NeXT, LLaVA-OneVision, Idefics2, SmolVLM; Llama and Qwen2 as text models."""

# ruff: noqa: S106  # tokens of text, not of access

# tokens of text, not of access

from __future__ import annotations

from pathlib import Path

from models.hf.tiny_base import (
    PATCH,
    SIZE,
    chat_template,
    clip,
    llama_text,
    save,
    siglip,
    tokenizer,
    vision,
)


def llama(folder: Path) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    tok = tokenizer()
    config = LlamaConfig(**{k: v for k, v in llama_text(len(tok)).items() if k != "model_type"})
    return save(folder, LlamaForCausalLM(config), tok)


def qwen2(folder: Path) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tok = tokenizer(bos=None)
    fields = {
        k: v for k, v in llama_text(len(tok)).items() if k not in ("model_type", "bos_token_id")
    }
    return save(folder, Qwen2ForCausalLM(Qwen2Config(**fields)), tok)


def llava(folder: Path, chat: bool = False) -> Path:
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tok = tokenizer("<image>")
    config = LlavaConfig(
        vision_config=clip(),
        text_config=llama_text(len(tok)),
        image_token_index=tok.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}),
        tok,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(image="<image>", video="<image>") if chat else None,
    )
    return save(folder, LlavaForConditionalGeneration(config), processor)


def llava_chat(folder: Path) -> Path:
    return llava(folder, chat=True)


def llava_next(folder: Path) -> Path:
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tok = tokenizer("<image>")
    pinpoints = [[SIZE, 2 * SIZE], [2 * SIZE, SIZE], [2 * SIZE, 2 * SIZE]]
    config = LlavaNextConfig(
        vision_config=clip(),
        text_config=llama_text(len(tok)),
        image_token_index=tok.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    processor = LlavaNextProcessor(
        LlavaNextImageProcessor(
            size={"shortest_edge": SIZE},
            crop_size={"height": SIZE, "width": SIZE},
            image_grid_pinpoints=pinpoints,
        ),
        tok,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(image="<image>\n"),
    )
    return save(folder, LlavaNextForConditionalGeneration(config), processor)


def llava_onevision(folder: Path) -> Path:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tok = tokenizer("<image>", "<video>")
    pinpoints = [[SIZE, SIZE], [SIZE, 2 * SIZE], [2 * SIZE, SIZE]]
    config = LlavaOnevisionConfig(
        vision_config=siglip(),
        text_config=llama_text(len(tok), model_type="qwen2"),
        image_token_index=tok.convert_tokens_to_ids("<image>"),
        video_token_index=tok.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    size = {"height": SIZE, "width": SIZE}
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=pinpoints),
        tok,
        LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=(SIZE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=chat_template(image="<image>\n", video="<video>\n"),
    )
    return save(folder, LlavaOnevisionForConditionalGeneration(config), processor)


def idefics2(folder: Path) -> Path:
    from transformers import (
        Idefics2Config,
        Idefics2ForConditionalGeneration,
        Idefics2ImageProcessor,
        Idefics2Processor,
    )

    processor = Idefics2Processor(
        Idefics2ImageProcessor(
            size={"shortest_edge": SIZE, "longest_edge": 2 * SIZE}, do_image_splitting=False
        ),
        tokenizer(),
        image_seq_len=4,
        chat_template=chat_template(image="<image>"),
    )
    tok = processor.tokenizer
    config = Idefics2Config(
        vision_config=vision(4 * SIZE),
        perceiver_config={
            "hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 2,
            "resampler_n_heads": 4, "resampler_head_dim": 8, "num_key_value_heads": 2,
        },
        text_config=llama_text(len(tok), model_type="mistral"),
        image_token_id=tok.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
    )  # fmt: skip
    return save(folder, Idefics2ForConditionalGeneration(config), processor)


def smolvlm(folder: Path) -> Path:
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    tok = tokenizer(
        fake_image_token="<fake_token_around_image>",
        image_token="<image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
        video_token="<video>",
    )
    size = {"longest_edge": 2 * SIZE}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(
            size=size, max_image_size={"longest_edge": 2 * SIZE}, do_image_splitting=False
        ),
        tok,
        SmolVLMVideoProcessor(size=size, max_image_size={"longest_edge": 2 * SIZE}),
        image_seq_len=4,
        chat_template=chat_template(image="<image>", video="<video>"),
    )
    config = SmolVLMConfig(
        vision_config=vision(2 * SIZE),
        text_config=llama_text(len(tok)),
        image_token_id=tok.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=2,
    )  # fmt: skip
    return save(folder, SmolVLMForConditionalGeneration(config), processor)


def paligemma(folder: Path) -> Path:
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    images = SiglipImageProcessor(size={"height": SIZE, "width": SIZE})
    images.image_seq_length = (SIZE // PATCH) ** 2
    processor = PaliGemmaProcessor(images, tokenizer("<image>"))
    tok = processor.tokenizer
    config = PaliGemmaConfig(
        vision_config=siglip(),
        text_config={**llama_text(len(tok)), "model_type": "gemma", "head_dim": 8},
        image_token_index=tok.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    return save(folder, PaliGemmaForConditionalGeneration(config), processor)

"""Tiny BLIP-2, InstructBLIP and Kosmos-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.hf.tiny_base import (
    SIZE,
    llama_text,
    save,
    tokenizer,
    vision,
)


def _qformer(kind: str, vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "encoder_hidden_size": 32,
        "max_position_embeddings": 512,
    }


def blip2(folder: Path) -> Path:
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
    )

    processor = Blip2Processor(
        BlipImageProcessor(size={"height": SIZE, "width": SIZE}), tokenizer(), num_query_tokens=4
    )
    tok = processor.tokenizer
    opt = {
        "model_type": "opt",
        "vocab_size": len(tok),
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 1024,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    config = Blip2Config(
        vision_config=vision(model_type="blip_2_vision_model"),
        qformer_config=_qformer("blip_2_qformer", len(tok)),
        text_config=opt,
        num_query_tokens=4,
        image_token_index=tok.convert_tokens_to_ids("<image>"),
    )
    return save(folder, Blip2ForConditionalGeneration(config), processor, scale=0.5)


def instructblip(folder: Path) -> Path:
    from transformers import (
        BlipImageProcessor,
        InstructBlipConfig,
        InstructBlipForConditionalGeneration,
        InstructBlipProcessor,
    )

    words = tokenizer()
    processor = InstructBlipProcessor(
        BlipImageProcessor(size={"height": SIZE, "width": SIZE}),
        tokenizer(),
        words,
        num_query_tokens=4,
    )
    tok = processor.tokenizer
    config = InstructBlipConfig(
        vision_config=vision(model_type="instructblip_vision_model"),
        qformer_config=_qformer("instructblip_qformer", len(words)),
        text_config=llama_text(len(tok)),
        num_query_tokens=4,
        image_token_index=tok.convert_tokens_to_ids("<image>"),
    )
    return save(folder, InstructBlipForConditionalGeneration(config), processor)


def kosmos2(folder: Path) -> Path:
    from transformers import (
        CLIPImageProcessor,
        Kosmos2Config,
        Kosmos2ForConditionalGeneration,
        Kosmos2Processor,
    )

    tok = tokenizer()
    size = {"shortest_edge": SIZE}
    processor = Kosmos2Processor(
        CLIPImageProcessor(size=size, crop_size={"height": SIZE, "width": SIZE}),
        tok,
        num_patch_index_tokens=4,
    )
    text = {
        "vocab_size": len(tok) + 64,  # the places of an image have ids of their own
        "max_position_embeddings": 1024,
        "embed_dim": 32,
        "layers": 2,
        "ffn_dim": 64,
        "attention_heads": 4,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    config = Kosmos2Config(text_config=text, vision_config=vision(), latent_query_num=64)
    return save(folder, Kosmos2ForConditionalGeneration(config), processor)

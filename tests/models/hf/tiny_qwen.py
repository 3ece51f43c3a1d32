"""Tiny Qwen-VL of three generations, Qwen2-Audio and Qwen2.5-Omni."""

# ruff: noqa: S106  # tokens of text, not of access

# tokens of text, not of access

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.hf.tiny_base import (
    chat_template,
    llama_text,
    save,
    tokenizer,
)

_QWEN_PLACES = {
    "image": "<|vision_start|><|image_pad|><|vision_end|>",
    "video": "<|vision_start|><|video_pad|><|vision_end|>",
}
_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_PIXELS = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}


def _rope() -> dict[str, Any]:
    return {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


def _qwen_vl(folder: Path, version: str) -> Path:
    import transformers
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    tok = tokenizer(*_QWEN_TOKENS, bos=None)
    names = {"2": "Qwen2VL", "2.5": "Qwen2_5_VL", "3": "Qwen3VL"}
    name = names[version]
    vision = {
        "depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }  # fmt: skip
    if version == "2":
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    elif version == "2.5":
        vision |= {
            "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32,
            "fullatt_block_indexes": [1], "window_size": 56, "tokens_per_second": 2,
        }  # fmt: skip
    else:
        vision |= {
            "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "patch_size": 14,
            "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
        }  # fmt: skip
    fields = {
        k: v for k, v in llama_text(len(tok)).items() if k not in ("model_type", "bos_token_id")
    }
    fields["rope_parameters"] = _rope()
    fields["bos_token_id"] = None
    if version == "3":
        fields["head_dim"] = 8
    config = getattr(transformers, f"{name}Config")(
        text_config=fields,
        vision_config=vision,
        image_token_id=tok.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tok.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tok.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tok.convert_tokens_to_ids("<|vision_end|>"),
    )
    image = Qwen2VLImageProcessor(size=_PIXELS, patch_size=14, merge_size=2)
    video_class = transformers.Qwen3VLVideoProcessor if version == "3" else Qwen2VLVideoProcessor
    video = video_class(size=_PIXELS, patch_size=14, merge_size=2)
    processor = getattr(transformers, f"{name}Processor")(
        image, tok, video, chat_template=chat_template(**_QWEN_PLACES)
    )
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    return save(folder, model, processor)


def qwen2_vl(folder: Path) -> Path:
    return _qwen_vl(folder, "2")


def qwen2_5_vl(folder: Path) -> Path:
    return _qwen_vl(folder, "2.5")


def qwen3_vl(folder: Path) -> Path:
    return _qwen_vl(folder, "3")


def qwen2_audio(folder: Path) -> Path:
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tok = tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", bos=None)
    config = Qwen2AudioConfig(
        audio_config={
            "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4,
            "encoder_ffn_dim": 64, "num_mel_bins": 16, "max_source_positions": 1500,
        },
        text_config=llama_text(len(tok), model_type="qwen2"),
        audio_token_index=tok.convert_tokens_to_ids("<|AUDIO|>"),
    )  # fmt: skip
    processor = Qwen2AudioProcessor(
        WhisperFeatureExtractor(feature_size=16),
        tok,
        chat_template=chat_template(audio="<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    return save(folder, Qwen2AudioForConditionalGeneration(config), processor)


def qwen2_5_omni(folder: Path) -> Path:
    import torch
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        WhisperFeatureExtractor,
    )

    tok = tokenizer(
        bos=None,
        image_token="<|IMAGE|>",
        audio_token="<|AUDIO|>",
        video_token="<|VIDEO|>",
        vision_bos_token="<|vision_bos|>",
        vision_eos_token="<|vision_eos|>",
        audio_bos_token="<|audio_bos|>",
        audio_eos_token="<|audio_eos|>",
    )
    ids = tok.convert_tokens_to_ids
    text = {
        k: v for k, v in llama_text(len(tok)).items() if k not in ("model_type", "bos_token_id")
    }
    text["rope_parameters"] = _rope()
    places = {
        "audio_token_index": ids("<|AUDIO|>"),
        "image_token_index": ids("<|IMAGE|>"),
        "video_token_index": ids("<|VIDEO|>"),
        "audio_start_token_id": ids("<|audio_bos|>"),
        "audio_end_token_id": ids("<|audio_eos|>"),
    }
    vision_places = {
        "vision_start_token_id": ids("<|vision_bos|>"),
        "vision_end_token_id": ids("<|vision_eos|>"),
    }
    thinker = {
        "text_config": text,
        "audio_config": {
            "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4,
            "encoder_ffn_dim": 64, "num_mel_bins": 16, "output_dim": 32, "n_window": 100,
        },
        "vision_config": {
            "depth": 2, "num_heads": 2, "hidden_size": 32, "intermediate_size": 64,
            "out_hidden_size": 32, "patch_size": 14, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "fullatt_block_indexes": [1], "window_size": 56,
        },
        **places,
        **vision_places,
    }  # fmt: skip
    # Codes: 40 sounds, then the talker's own tokens.
    talker = {
        "vocab_size": 48, "embedding_size": 32, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "tts_text_start_token_id": 4, "tts_text_end_token_id": 5, "tts_text_pad_token_id": 6,
        "tts_codec_start_token_id": 41, "tts_codec_end_token_id": 42,
        "tts_codec_pad_token_id": 43, "tts_codec_mask_token_id": 44, "pad_token_id": 43,
        "rope_parameters": _rope(), **places, **vision_places,
    }  # fmt: skip
    token2wav = {
        "dit_config": {
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16,
            "emb_dim": 16, "num_embeds": 50, "mel_dim": 16, "enc_emb_dim": 8, "enc_dim": 8,
            "enc_channels": [8, 8, 8, 8, 24], "enc_attention_channels": 4, "enc_res2net_scale": 2,
            "enc_se_channels": 4, "look_ahead_layers": [1], "look_backward_layers": [0],
        },
        "bigvgan_config": {
            "mel_dim": 16, "upsample_initial_channel": 64, "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
        },
    }  # fmt: skip
    config = Qwen2_5OmniConfig(
        thinker_config=thinker, talker_config=talker, token2wav_config=token2wav
    )
    processor = Qwen2_5OmniProcessor(
        Qwen2VLImageProcessor(size=_PIXELS, patch_size=14, merge_size=2),
        Qwen2VLVideoProcessor(size=_PIXELS, patch_size=14, merge_size=2),
        WhisperFeatureExtractor(feature_size=16),
        tok,
        chat_template=chat_template(
            image="<|vision_bos|><|IMAGE|><|vision_eos|>",
            audio="<|audio_bos|><|AUDIO|><|audio_eos|>",
            video="<|vision_bos|><|VIDEO|><|vision_eos|>",
        ),
    )
    save(folder, Qwen2_5OmniForConditionalGeneration(config), processor)
    voice = {"cond": torch.zeros(1, 8), "ref_mel": torch.zeros(1, 30, 16), "bos_token": 4}
    torch.save({"Chelsie": voice}, folder / "spk_dict.pt")
    return folder

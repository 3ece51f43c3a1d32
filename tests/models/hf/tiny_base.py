"""Real architectures at a tiny random size, with their real processors, saved as checkpoints.

Every builder writes a folder that `from_pretrained` loads; weights are spread wider than usual, so
that what a model says depends on what it sees.
"""

# ruff: noqa: S106  # tokens of text, not of access

# tokens of text, not of access

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.hf.tiny_words import byte_level, numbered  # repairs torchvision first

SIZE, PATCH = 28, 14  # of images, in pixels
CHAT = (
    "{% for m in messages %}{{ m['role'] }}: "
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<PLACE {{ c['type'] }}>{% endif %}"
    "{% endfor %}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def chat_template(**places: str) -> str:
    """Return a small chat template with a model's own placeholders."""
    template = CHAT
    inner = "".join(
        f"{{% {'if' if not i else 'elif'} c['type'] == '{kind}' %}}{token}"
        for i, (kind, token) in enumerate(places.items())
    )
    return template.replace("<PLACE {{ c['type'] }}>", inner + "{% endif %}")


def tokenizer(*special: str, bos: str | None = "<s>", **extra: str) -> Any:
    """Make a byte-level tokenizer: a token a byte, and special tokens after <s> </s> <pad> <unk>.

    `extra` names special tokens as attributes: `image_token="<image>"`.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "</s>", "<pad>", "<unk>"]
    vocabulary = numbered([*names, *sorted(ByteLevel.alphabet())])
    raw = byte_level(vocabulary)
    if bos:
        raw.post_processor = TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, vocabulary[bos])]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token=bos,
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=extra,
    )
    fast.add_tokens(list(special), special_tokens=True)
    fast.padding_side = "left"
    return fast


def spread(model: Any, scale: float = 0.12) -> Any:
    """Draw a model's matrices anew, wide enough that inputs matter."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model


def save(folder: Path, model: Any, processor: Any, scale: float = 0.12) -> Path:
    """Write a checkpoint."""
    spread(model, scale).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llama_text(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        **more,
    }


def vision(image_size: int = SIZE, **more: Any) -> dict[str, Any]:
    """Return the sizes of a vision tower, and what else its configuration has."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": image_size,
        "patch_size": PATCH,
        **more,
    }


def clip() -> dict[str, Any]:
    return vision(model_type="clip_vision_model", projection_dim=32)


def siglip() -> dict[str, Any]:
    return vision(model_type="siglip_vision_model", vision_use_head=False)

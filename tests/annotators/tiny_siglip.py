"""A SigLIP of random weights that reads 56 pixels a side: a judge's encoder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers


def write_siglip(folder: Path) -> tuple[Any, Any]:
    """Write it with its image processor, without a tokenizer. Returns (model, processor)."""
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    shared = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    shared |= {"num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config=shared | {"vocab_size": 50},
        vision_config=shared | {"image_size": 56, "patch_size": 14},
    )
    torch.manual_seed(0)
    model = transformers.SiglipModel(config).eval()
    model.save_pretrained(folder)
    processor = SiglipImageProcessorPil(size={"height": 56, "width": 56})
    processor.save_pretrained(folder)
    return model, processor

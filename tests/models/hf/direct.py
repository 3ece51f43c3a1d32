"""What transformers itself says, asked one prompt at a time, with nothing of mio-eval's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.hf import tiny  # repairs torchvision first


def load(folder: Path) -> tuple[Any, Any]:
    """Return (model, processor), loaded plainly."""
    import transformers

    assert tiny.SIZE
    if (folder / "preprocessor_config.json").exists() or (
        folder / "processor_config.json"
    ).exists():
        processor = transformers.AutoProcessor.from_pretrained(folder)
        try:
            model = transformers.AutoModelForMultimodalLM.from_pretrained(folder, dtype="float32")
        except ValueError:
            model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
        return model.eval(), processor
    processor = transformers.AutoTokenizer.from_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval(), processor


def chat_inputs(processor: Any, content: Sequence[dict[str, Any]], **more: Any) -> Any:
    """Encode one user message through the processor's own chat pipeline."""
    return processor.apply_chat_template(
        [{"role": "user", "content": list(content)}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        **more,
    )


def continue_text(model: Any, processor: Any, inputs: Any, **settings: Any) -> str:
    """Generate, and return the new text."""
    import torch

    tokenizer = getattr(processor, "tokenizer", processor)
    with torch.no_grad():
        sequences = model.generate(**inputs, **settings)
    if isinstance(sequences, tuple):
        sequences = sequences[0]
    new = sequences[0, inputs["input_ids"].shape[1] :]
    return tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)

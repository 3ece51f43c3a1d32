"""A vision-language model of real sizes with random weights, and questions about photographs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

QUESTIONS = 16
NEW_TOKENS = 16
PROMPT = "\n{}\nAnswer with a single word or phrase."  # after the image
VOCABULARY = 49_152


def write_questions(folder: Path) -> None:
    """Write questions on the bundled photographs in VQAv2's layout, and as lines for lm-eval."""
    from mio_eval.shipped import sample_data

    photographs = sorted((sample_data() / "coco" / "val2014").glob("*.jpg"))
    names = ("v2_OpenEnded_mscoco_val2014_questions", "v2_mscoco_val2014_annotations")
    sample = sample_data() / "vqav2" / f"{names[0]}.json"
    texts = [row["question"] for row in json.loads(sample.read_text())["questions"]]
    images = folder / "data" / "coco" / "val2014"
    images.mkdir(parents=True)
    (folder / "data" / "vqav2").mkdir()
    questions, annotations, lines = [], [], []
    for number in range(QUESTIONS):
        text, source = texts[number % len(texts)], photographs[number % len(photographs)]
        image = images / f"COCO_val2014_{number:012d}.jpg"
        image.write_bytes(source.read_bytes())
        names_of = {"image_id": number, "question_id": number}
        questions.append({**names_of, "question": text})
        annotations.append({**names_of, "answers": [{"answer": "yes"}] * 10})
        lines.append(json.dumps({"id": str(number), "image": str(image), "question": text}))
    for name, key, rows in zip(
        names, ("questions", "annotations"), (questions, annotations), strict=True
    ):
        path = folder / "data" / "vqav2" / f"{name}.json"
        path.write_text(json.dumps({key: rows}))
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")


def write_model(folder: Path) -> None:
    """Write LLaVA with the sizes of CLIP ViT-B/32 and SmolLM-135M: 224 million parameters."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = make_tokenizer()
    config = LlavaConfig(
        vision_config={
            "model_type": "clip_vision_model", "hidden_size": 768, "intermediate_size": 3072,
            "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224,
            "patch_size": 32, "projection_dim": 512,
        },
        text_config={
            "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 2048, "tie_word_embeddings": True,
            "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():  # wider than usual, so that what is said depends on what is seen
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    model.save_pretrained(folder)
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}),
        tokenizer,
        patch_size=32,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    processor.save_pretrained(folder)


def make_tokenizer() -> object:
    """Make a tokenizer with a word for every number that the model may say."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<pad>", "<image>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"Ġword{number}" for number in range(VOCABULARY - len(special) - len(letters))]
    vocabulary = {name: number for number, name in enumerate([*special, *letters, *words])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",  # noqa: S106  # tokens of text, not of access
        eos_token="</s>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        model_max_length=2048,
    )
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.padding_side = "left"
    return tokenizer


def main(folder: Path) -> None:
    """Write all."""
    from mio_eval.compat import import_torchvision

    import_torchvision()  # transformers imports it where it is installed
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(folder)
    write_model(folder / "model")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main(Path(sys.argv[1]))

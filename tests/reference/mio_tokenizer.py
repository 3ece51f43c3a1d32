"""Records the ids of the released tokenizer class, for `tests/models/mio/test_tokenizer.py`.

Run it in the folder tests/, in an environment with sentencepiece and transformers 4.46, whose slow
`LlamaTokenizer` is the class that the release uses:

    python -m reference.mio_tokenizer --out golden/mio/tokenizer

It trains a small sentencepiece model on the project's own prompts, adds MIO's tokens in the order
of the release (fewer of them), saves the folder as `save_pretrained` does, and writes ids.json.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

MARKERS = ("[SPCH]", "</spch>", "[IMG]", "<spch>", "</image>", "<image>")
IMAGES, SPEECH = 40, 60
TEXTS = [
    "Provide a one-sentence caption for the provided image.\n<image><img3><img39></image>",
    "<image><img0><img1></image> The caption of this image is",
    "Please transcribe this speech.\n<spch><spch5><spch59></spch>",
    "Please generate a speech of ``he hoped'': <spch>",
    "<|im_start|>user\nWhat colour is it?<|im_end|>\n<|im_start|>assistant\n",
    "  two  spaces, ünïcode 猫 and\ttabs\n\n",
    "<image><img1></image> <spch><spch2></spch>\nboth",
]


def train(folder: Path) -> Path:
    """Train a sentencepiece model like Yi's in kind: BPE with bytes for what it does not know."""
    import sentencepiece

    model = io.BytesIO()  # a model written by sentencepiece itself holds the path it went to
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(TEXTS[:5] * 4).split("\n")),
        model_writer=model,
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        user_defined_symbols=["<|im_start|>", "<|im_end|>"],
        bos_piece="<|startoftext|>",
        eos_piece="<|endoftext|>",
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder / "tokenizer.model"


def main() -> None:
    """Write the tokenizer's folder and the ids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    from transformers import LlamaTokenizer

    tokenizer = LlamaTokenizer(
        str(train(out)),
        bos_token="<|startoftext|>",  # noqa: S106
        eos_token="<|endoftext|>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        pad_token="<unk>",  # noqa: S106
        add_bos_token=False,
        legacy=True,
    )
    tokenizer.add_tokens(list(MARKERS))
    tokenizer.add_tokens([f"<img{n}>" for n in range(IMAGES)])
    tokenizer.add_tokens([f"<spch{n}>" for n in range(SPEECH)])
    tokenizer.save_pretrained(out)
    again = LlamaTokenizer.from_pretrained(out)
    texts = [text if text.startswith(" ") else "<|startoftext|>" + text for text in TEXTS]
    ids = [again(text, add_special_tokens=False)["input_ids"] for text in texts]
    facts = [{"text": t, "ids": i} for t, i in zip(texts, ids, strict=True)]
    (out / "ids.json").write_text(json.dumps(facts, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()

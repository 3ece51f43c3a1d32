"""Records how the slow Llama tokenizer of transformers 4 cuts prompts, for
`tests/models/anygpt/test_slow_tokenizer.py`.

Run it in the folder tests/, in an environment with sentencepiece and transformers 4.46 (4.34.1,
which the release pins, gives the same ids):

    python -m reference.slow_tokenizer --out golden/anygpt/slow_tokenizer

It trains a small SentencePiece model with Llama's settings on sentences made here (OUT.model) and
writes the token ids of PROMPTS for each way that releases store added tokens (OUT.json).
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import tempfile
from pathlib import Path

WORDS = [
    *("a", "small", "dog", "on", "red", "bed", "the", "cat", "sits", "in", "park", "by", "lake"),
    *("near", "fence", "under", "tree", "please", "describe", "this", "picture", "transcribe"),
    *("speech", "user", "assistant", "Human", "is", "of", "what", "color"),
]
CHAT = ("<|im_start|>", "<|im_end|>")  # in the model's own vocabulary, as in Yi's
ADDED = (
    *("[Human]", "[MMGPT]", "<eoh>", "<eos>", "<soim>", "<eoim>", "<sosp>", "<eosp>"),
    *("<image>", "</image>", "<spch>", "</spch>"),
    *(f"<👀{n}>" for n in range(40)),
    *(f"<🗣️{n}>" for n in range(40)),
    *(f"<img{n}>" for n in range(40)),
    *(f"<spch{n}>" for n in range(40)),
)
PROMPTS = (
    "[Human]: describe this picture <soim><👀3><👀39><eoim><eoh> [MMGPT]:",
    "[Human]: <sosp><🗣️3><🗣️12><eosp> please transcribe.<eoh>\n[MMGPT]:",
    "[Human]: <soim><👀3><eoim>\nWhat color?<eoh>[MMGPT]: ",
    "<|im_start|>user\na dog\n<image><img1><img2></image><|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\n<spch><spch1></spch>  two  spaces <spch2><|im_end|>\n",
    "<s><|im_start|>user\na dog<|im_end|>",
    "a dog ünïcode 犬 <unk> </s> end",
    "<image>  </image>\n\n<img1> .",
    "",
    " ",
    "<img1>",
)
FORMS = ("file", "config")  # added_tokens.json, or added_tokens_decoder in tokenizer_config.json


def write_tokenizer(folder: Path, model: Path, form: str) -> Path:
    """Write a tokenizer's folder as transformers 4 saves one."""
    folder.mkdir(parents=True)
    shutil.copy(model, folder / "tokenizer.model")
    first = 400
    specials = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        **specials,
    }
    ids = {token: first + n for n, token in enumerate(ADDED)}
    if form == "file":
        (folder / "added_tokens.json").write_text(json.dumps(ids))
    else:
        base = dict.fromkeys(("<unk>", "<s>", "</s>"), True)
        tokens = {n: (t, special) for n, (t, special) in enumerate(base.items())}
        tokens |= {number: (token, False) for token, number in ids.items()}
        config["added_tokens_decoder"] = {
            str(number): {
                "content": token,
                "lstrip": False,
                "normalized": not special,
                "rstrip": False,
                "single_word": False,
                "special": special,
            }
            for number, (token, special) in tokens.items()
        }
    (folder / "special_tokens_map.json").write_text(json.dumps(specials))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def train(out: Path) -> None:
    """Train the SentencePiece model and write it to `out`."""
    import sentencepiece

    draw = random.Random(0)
    lines = [" ".join(draw.choices(WORDS, k=8)) for _ in range(400)]
    model = io.BytesIO()  # a model written by sentencepiece itself holds the path it went to
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=list(CHAT),
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        minloglevel=2,
    )
    out.write_bytes(model.getvalue())


def main() -> None:
    """Train, run the reference, and write its ids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    from transformers import LlamaTokenizer

    model = options.out.with_suffix(".model")
    if not model.exists():
        train(model)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            slow = LlamaTokenizer.from_pretrained(write_tokenizer(Path(folder) / form, model, form))
            assert len(slow) == 400 + len(ADDED)
            found[form] = [slow(text)["input_ids"] for text in PROMPTS]
            found[f"{form}, no BOS"] = [
                slow(text, add_special_tokens=False)["input_ids"] for text in PROMPTS
            ]
    options.out.with_suffix(".json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

"""Builders of released checkpoint folders at small sizes: what MIO's and AnyGPT's have in common.

The language model has one layer that does nothing, so that what follows a token depends on that
token alone: its output weights are set to write, after any prompt, one chain of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from reference.seed_tokenizer import CODEBOOK, place_codebook
from reference.unclip import write_pipeline
from reference.weights import make_weights

GOLDEN = Path(__file__).parents[2] / "golden" / "mio"
IMAGE_CODES = 512  # as in the golden image tokenizer
SPEECH_STEPS = 12
WORDS = ["a", "small", "dog", "on", "a", "red", "bed"]
WIDTH = 64


def image_codes() -> list[int]:
    """Codes of the image that the model writes."""
    return [(37 * n + 11) % IMAGE_CODES for n in range(32)]


def speech_codes(level: int = 0) -> list[int]:
    """Codes of one level of the speech that the model writes."""
    return [(29 * n + 101 * level + 7) % 1024 for n in range(SPEECH_STEPS)]


def words() -> list[str]:
    """The tokens of the words that the model writes: it writes each once."""
    return [f"▁{word}" for word in dict.fromkeys(WORDS)]


def broken_chain(chain: list[str], broken: str, speech_end: str) -> list[str]:
    """Make what the model writes malformed."""
    if broken == "short image":
        del chain[10]
    elif broken == "short speech":
        del chain[chain.index(speech_end) - 1]
    elif broken == "no end":
        chain = chain[:20] * 200
    return chain


def write_image_parts(folder: Path) -> None:
    """Write the image tokenizer and unCLIP, as in the golden values, at their released places."""
    write_seed(folder / "seed-tokenizer-2", separate=True, width=1024)
    write_pipeline(folder / "stable-diffusion-2-1-unclip")


def write_seed(folder: Path, *, separate: bool, width: int | None = None) -> Path:
    """Write an image tokenizer.

    Args:
        folder: where.
        separate: the image encoder has a file of its own, as released.
        width: of the embeddings, in place of the golden values'.
    """
    shapes = json.loads((GOLDEN / "seed_tokenizer.json").read_text())["shapes"]
    if width is not None:
        shapes["distill_image_proj.weight"] = [32, width]
        shapes["distill_image_proj.bias"] = [32]
    state = make_weights(shapes)
    place = torch.from_numpy(np.load(GOLDEN / "seed_tokenizer.npz")["place"])
    state[CODEBOOK] = place_codebook(shapes[CODEBOOK], place)
    folder.mkdir()
    if separate:
        prefix = "visual_encoder."
        vision = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        # The released file also has a head that nothing uses.
        torch.save({**vision, "head.weight": torch.zeros(2, 2)}, folder / "eva_vit_g.pth")
        state = {n: t for n, t in state.items() if not n.startswith(prefix)}
    torch.save(state, folder / "seed_quantizer.pt")
    return folder


def write_codec(folder: Path, golden: str, weights: str = "SpeechTokenizer.pt") -> Path:
    """Write a speech tokenizer: its config, and its weights in a file of this name."""
    folder.mkdir()
    facts = json.loads((GOLDEN / f"{golden}.json").read_text())
    (folder / "config.json").write_text(json.dumps(facts["config"]))
    torch.save(make_weights(facts["shapes"]), folder / weights)
    return folder


def write_tokenizer(folder: Path, base: Sequence[str], added: Sequence[str]) -> dict[str, int]:
    """Write a Llama tokenizer; returns token → id.

    Args:
        folder: where.
        base: special tokens: unknown, begin and end of text, and others.
        added: tokens added behind the vocabulary.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*base, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *letters, *words()]
    merges: list[tuple[str, str]] = []
    for word in words():
        so_far = "▁"
        for letter in word[1:]:
            merges.append((so_far, letter))
            so_far += letter
            if so_far not in vocabulary:
                vocabulary.append(so_far)
    inner = Tokenizer(
        models.BPE(
            vocab={token: n for n, token in enumerate(vocabulary)},
            merges=list(dict.fromkeys(merges)),
            unk_token="<unk>",  # noqa: S106
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    inner.normalizer = normalizers.Replace(" ", "▁")
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in base])
    inner.add_tokens([AddedToken(token, normalized=False) for token in added])
    inner.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": base[1],
                "eos_token": base[2],
                "unk_token": "<unk>",
                "pad_token": "<unk>",
                "model_max_length": 4096,
                "clean_up_tokenization_spaces": False,
            }
        )
    )
    return inner.get_vocab()


def write_language(folder: Path, tokens: dict[str, int], chain: Sequence[str]) -> None:
    """Write a Llama that follows one chain of tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    size = max(tokens.values()) + 1
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    prompt = torch.randn(WIDTH)
    with torch.no_grad():
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        embeddings = model.model.embed_tokens.weight
        embeddings.copy_(prompt.expand(size, -1))  # every token of a prompt means "begin"
        for token in dict.fromkeys(chain):
            embeddings[tokens[token]] = torch.randn(WIDTH)
        head = model.lm_head.weight
        head.zero_()
        unit = torch.nn.functional.normalize
        head[tokens[chain[0]]] = 8 * unit(prompt, dim=0)
        for before, after in pairwise(chain):
            head[tokens[after]] += 8 * unit(embeddings[tokens[before]], dim=0)
    model.save_pretrained(folder)

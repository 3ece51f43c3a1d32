"""Speech models of random weights: the real classes, as small as they go."""

# ruff: noqa: S106  (special tokens are no passwords)

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from models.hf.tiny_words import (
    byte_letters,
    byte_level,
    numbered,
    train_pieces,
    write_vocabulary,
)

RATE = 16_000
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]


def tone(seconds: float, number: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise under a moving tone, float32 (n,)."""
    rng = np.random.default_rng(number)
    at = np.arange(int(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * (200 + 150 * number) * at * (1 + 0.3 * np.sin(3 * at)))
    return (0.3 * wave + 0.05 * rng.standard_normal(at.size)).astype(np.float32)


def write_whisper(
    folder: Path, languages: Sequence[str] = ("en", "fr"), length: int = 24, **generation: Any
) -> Path:
    """Whisper, with a byte-level tokenizer and Whisper's special tokens.

    Args:
        folder: where it is written, as the hub's folders are.
        languages: that it knows by name; without any it is one for English only.
        length: tokens that it can write at most, the start among them.
        generation: further settings of its generation configuration.
    """
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in languages)]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    special += ["<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    tokenizer = transformers.WhisperTokenizer(vocab=numbered(byte_letters()), merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in special}
    assert len(set(ids.values())) == len(special)
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_target_positions=length,
        init_std=0.4,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(3)
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        is_multilingual=bool(languages),
        lang_to_id={f"<|{name}|>": ids[f"<|{name}|>"] for name in languages},
        task_to_id={name: ids[f"<|{name}|>"] for name in ("translate", "transcribe")},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_initial_timestamp_index=50,
        decoder_start_token_id=start,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        **generation,
    )
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def _ctc_sizes(masked: bool) -> dict[str, Any]:
    return {
        "vocab_size": len(LETTERS),
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "feat_extract_norm": "layer" if masked else "group",
        "do_stable_layer_norm": masked,
        "initializer_range": 0.4,
    }


def write_ctc(folder: Path, kind: str = "Wav2Vec2", *, masked: bool = True) -> Path:
    """A wav2vec 2.0, HuBERT or WavLM with a CTC head: large (layer norm, mask) or base."""
    transformers.Wav2Vec2CTCTokenizer(str(write_vocabulary(folder, LETTERS))).save_pretrained(
        folder
    )
    transformers.Wav2Vec2FeatureExtractor(
        do_normalize=True, return_attention_mask=masked
    ).save_pretrained(folder)
    config = getattr(transformers, f"{kind}Config")(**_ctc_sizes(masked), num_hidden_layers=2)
    torch.manual_seed(0)
    getattr(transformers, f"{kind}ForCTC")(config).save_pretrained(folder)
    return folder


def write_mms(folder: Path) -> Path:
    """A multilingual wav2vec 2.0: an alphabet, an adapter and a head for each of two languages."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    alphabets = {
        "eng": numbered(LETTERS),
        "fra": numbered([*LETTERS[:5], *"ÀÂÇÉÈÊËÎÏÔÙ"]),
    }
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps(alphabets))
    transformers.Wav2Vec2CTCTokenizer(str(vocabulary), target_lang="eng").save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(
        do_normalize=True, return_attention_mask=True
    ).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        **_ctc_sizes(masked=True), num_hidden_layers=1, adapter_attn_dim=4
    )
    torch.manual_seed(0)
    model = transformers.Wav2Vec2ForCTC(config)
    model.save_pretrained(folder)
    for seed, (language, alphabet) in enumerate(alphabets.items()):
        torch.manual_seed(seed)
        weights = {
            name: torch.randn(len(alphabet), *weight.shape[1:])
            if name.startswith("lm_head")
            else torch.randn_like(weight)
            for name, weight in model._get_adapters().items()
        }
        save_file(weights, folder / f"adapter.{language}.safetensors", metadata={"format": "pt"})
    return folder


def write_moonshine(folder: Path) -> Path:
    """Moonshine, with a tokenizer of bytes."""
    vocabulary = numbered(["<unk>", "<s>", "</s>", *byte_letters()])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level(vocabulary),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(
        do_normalize=False, return_attention_mask=True
    ).save_pretrained(folder)
    config = transformers.MoonshineConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        initializer_range=0.4,
    )
    torch.manual_seed(0)
    transformers.MoonshineForConditionalGeneration(config).save_pretrained(folder)
    return folder


def write_speech_to_text(folder: Path) -> Path:
    """Speech2Text, with a sentencepiece model trained on the spot."""
    import sentencepiece

    text = "the cat sat on the mat\na dog ran by the lake\n" * 50
    trained = train_pieces(folder, "sentencepiece.bpe", text, vocab_size=40, model_type="bpe")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(trained))
    words = ["<s>", "<pad>", "</s>", "<unk>", *(pieces.id_to_piece(i) for i in range(3, 40))]
    transformers.Speech2TextTokenizer(
        str(write_vocabulary(folder, words)), str(trained)
    ).save_pretrained(folder)
    transformers.Speech2TextFeatureExtractor().save_pretrained(folder)
    config = transformers.Speech2TextConfig(
        vocab_size=len(words),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        conv_channels=16,
        init_std=0.4,
    )
    torch.manual_seed(1)
    transformers.Speech2TextForConditionalGeneration(config).save_pretrained(folder)
    return folder

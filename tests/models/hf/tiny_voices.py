"""Text-to-speech models of random weights: the real classes, as small as they go."""

# ruff: noqa: S106  (special tokens are no passwords)

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from models.hf.tiny_words import train_pieces, write_vocabulary

LETTERS = "_ abcdefghijklmnopqrstuvwxyz'-"
UPSAMPLING = {  # from frames to a wave, as HiFi-GAN does it
    "sampling_rate": 16_000,
    "upsample_initial_channel": 16,
    "upsample_rates": [4, 4],
    "upsample_kernel_sizes": [8, 8],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
}


def write_vits(folder: Path, speakers: int = 1, **tokenizer: bool) -> Path:
    """VITS in the manner of MMS: letters, no phonemes."""
    vocabulary = write_vocabulary(folder, LETTERS)
    settings = {"phonemize": False, "normalize": True, "add_blank": True} | tokenizer
    transformers.VitsTokenizer(
        str(vocabulary), pad_token="_", unk_token=" ", language="eng", **settings
    ).save_pretrained(folder)
    config = transformers.VitsConfig(
        vocab_size=len(LETTERS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=8,
        flow_size=8,
        spectrogram_bins=9,
        duration_predictor_num_flows=2,
        duration_predictor_filter_channels=8,
        prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        depth_separable_num_layers=1,
        num_speakers=speakers,
        speaker_embedding_size=4 if speakers > 1 else 0,
        **UPSAMPLING,
    )
    torch.manual_seed(0)
    transformers.VitsModel(config).save_pretrained(folder)
    return folder


def write_speecht5(folder: Path) -> Path:
    """SpeechT5 with a sentencepiece model of letters; its vocoder lies in `folder/vocoder`."""
    trained = train_pieces(
        folder,
        "spm_char",
        "the quick brown fox jumps over the lazy dog\n" * 20,
        vocab_size=32,
        model_type="char",
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        hard_vocab_limit=False,
    )
    tokenizer = transformers.SpeechT5Tokenizer(str(trained))
    tokenizer.save_pretrained(folder)
    config = transformers.SpeechT5Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        num_mel_bins=8,
        speech_decoder_prenet_units=16,
        speech_decoder_postnet_units=16,
        speech_decoder_postnet_layers=2,
        speaker_embedding_dim=12,
        max_text_positions=60,
    )
    torch.manual_seed(0)
    transformers.SpeechT5ForTextToSpeech(config).save_pretrained(folder)
    vocoder = transformers.SpeechT5HifiGanConfig(
        model_in_dim=8, initializer_range=0.2, **UPSAMPLING
    )
    transformers.SpeechT5HifiGan(vocoder).save_pretrained(folder / "vocoder")
    np.save(folder / "voice.npy", np.random.default_rng(0).standard_normal(12).astype(np.float32))
    return folder


def write_bark(folder: Path) -> Path:
    """Bark with Encodec, a BERT tokenizer, and one voice preset, v2/alto."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "a", "dog", "ran"]
    (folder / "words.txt").write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizer(str(folder / "words.txt"))
    rng = np.random.default_rng(0)
    preset = {
        "semantic_prompt": rng.integers(0, 8, 5),
        "coarse_prompt": rng.integers(0, 8, (2, 6)),
        "fine_prompt": rng.integers(0, 8, (4, 6)),
    }
    np.savez(folder / "alto.npz", **preset)
    transformers.BarkProcessor(tokenizer).save_pretrained(folder)
    (folder / "speaker_embeddings").mkdir(exist_ok=True)
    paths = {}
    for name, value in preset.items():
        paths[name] = f"speaker_embeddings/alto_{name}.npy"
        np.save(folder / paths[name], value)
    (folder / "speaker_embeddings_path.json").write_text(
        json.dumps({"repo_or_path": str(folder), "v2/alto": paths})
    )
    size = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "block_size": 128}
    codec = transformers.EncodecConfig(
        codebook_size=8,
        codebook_dim=8,
        hidden_size=8,
        num_filters=4,
        num_lstm_layers=1,
        upsampling_ratios=[4, 2],
        target_bandwidths=[120.0],
        sampling_rate=24_000,
        num_residual_layers=1,
    )
    # Semantic tokens 0-7, end (= pad) 8, start 9, then the text's 11; sound tokens follow theirs.
    config = transformers.BarkConfig(
        semantic_config={**size, "input_vocab_size": 32, "output_vocab_size": 10},
        coarse_acoustics_config={**size, "input_vocab_size": 32, "output_vocab_size": 32},
        fine_acoustics_config={
            **size,
            "input_vocab_size": 9,
            "output_vocab_size": 9,
            "n_codes_total": 4,
            "n_codes_given": 1,
        },
        codec_config=codec.to_dict(),
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    transformers.BarkModel(config).save_pretrained(folder)
    generation = {
        "semantic_config": {
            "eos_token_id": 8,
            "semantic_pad_token": 8,
            "text_pad_token": 30,
            "semantic_infer_token": 9,
            "semantic_vocab_size": 8,
            "text_encoding_offset": 10,
            "max_input_semantic_length": 16,
            "max_new_tokens": 12,
            "do_sample": True,
            "semantic_rate_hz": 4,
        },
        "coarse_acoustics_config": {
            "coarse_semantic_pad_token": 31,
            "coarse_infer_token": 30,
            "coarse_rate_hz": 6,
            "n_coarse_codebooks": 2,
            "max_coarse_history": 12,
            "max_coarse_input_length": 12,
            "sliding_window_len": 6,
            "do_sample": True,
        },
        "fine_acoustics_config": {
            "n_fine_codebooks": 4,
            "max_fine_history_length": 16,
            "max_fine_input_length": 32,
        },
        "sample_rate": 24_000,
        "codebook_size": 8,
        "model_type": "bark",
    }
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder

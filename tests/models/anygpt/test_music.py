"""Music to tokens and back through a small EnCodec, against transformers called directly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference.speech_tokenizer import wave

from mio_eval.compat import import_torchvision
from mio_eval.errors import UsageError
from mio_eval.models.anygpt.music import MusicCodec
from mio_eval.models.anygpt.tokens import BadMusicError, music_text, read_music

import_torchvision()  # transformers imports it where it is installed


def write_encodec(folder: Path, codes: int = 2048) -> Path:
    """Write an EnCodec with the quantiser of facebook/encodec_32khz: four codes of 2,048 a step."""
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(
        sampling_rate=32_000,
        target_bandwidths=[2.2],
        upsampling_ratios=[8, 5, 4, 4],
        codebook_size=codes,
        codebook_dim=16,
        hidden_size=16,
        num_filters=2,
        num_lstm_layers=1,
        normalize=False,
        use_causal_conv=False,
        norm_type="weight_norm",
    )
    model = EncodecModel(config)
    with torch.no_grad():
        seen = model.encoder(torch.from_numpy(wave(32_000))[None, None])[0]
        for layer in model.quantizer.layers:  # made empty, filled by training
            layer.codebook.embed.copy_(torch.randn(codes, 16) * seen.std(1) / 2)
        model.quantizer.layers[0].codebook.embed += seen.mean(1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encodec(tmp_path_factory.mktemp("music") / "encodec")


def test_tokens_and_waves_are_transformers_own(folder: Path) -> None:
    from transformers import EncodecModel

    codec = MusicCodec(folder)
    sound = wave(32_000)
    text = codec.write(sound)
    theirs = EncodecModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        codes = theirs.encode(torch.from_numpy(sound)[None, None]).audio_codes
        heard = theirs.decode(codes, [None]).audio_values[0, 0].numpy()
    assert codes.shape == (1, 1, 4, 50)
    assert read_music(text) == codes[0, 0].tolist()
    assert len(set(codes.flatten().tolist())) > 10
    np.testing.assert_allclose(codec.read(f"Here: {text}"), heard, rtol=1e-5, atol=1e-6)


def test_only_the_first_seconds_are_taken(folder: Path) -> None:
    codec = MusicCodec(folder)
    assert len(read_music(codec.write(wave(64_000), seconds=0.5))[0]) == 25


def test_malformed_music_says_why(folder: Path) -> None:
    with pytest.raises(BadMusicError, match="expected a multiple of 4"):
        MusicCodec(folder).read(music_text([[1], [2], [3], [4]]).replace("<🎶1>", ""))


def test_another_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of 1024 a step, AnyGPT's music tokens are 4 of 2048"):
        MusicCodec(write_encodec(tmp_path / "other", codes=1024))
    with pytest.raises(UsageError, match="is no EnCodec"):
        MusicCodec(tmp_path / "nothing")

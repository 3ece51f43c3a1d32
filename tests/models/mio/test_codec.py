"""SpeechTokenizer against what its released code computed on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models.token_llm.release import write_codec
from reference.speech_tokenizer import wave

from mio_eval.errors import UsageError
from mio_eval.models.speech_tokenizer.codec import SpeechTokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "mio"


@pytest.mark.parametrize("name", ["speech_tokenizer", "speech_tokenizer_snake"])
def test_codes_and_waves_equal_the_reference(tmp_path: Path, name: str) -> None:
    codec = SpeechTokenizer.from_folder(write_codec(tmp_path / "codec", name))
    golden = np.load(GOLDEN / f"{name}.npz")
    for samples in (1, 319, 4000, 16001):
        codes = codec.encode(wave(samples))
        assert codes.tolist() == golden[f"codes_{samples}"].tolist()
        assert codes.shape == (8, -(-samples // codec.hop))
        heard = codec.decode(codes[:4])
        np.testing.assert_allclose(heard, golden[f"wave_{samples}"], rtol=1e-4, atol=1e-5)
    tail = codec.decode(torch.from_numpy(golden["codes_16001"][2:5].astype(int)), first=2)
    np.testing.assert_allclose(tail, golden["from_level_2"], rtol=1e-4, atol=1e-5)


def test_fewer_levels_are_the_first_ones(tmp_path: Path) -> None:
    codec = SpeechTokenizer.from_folder(write_codec(tmp_path / "c", "speech_tokenizer"))
    assert torch.equal(codec.encode(wave(4000), levels=4), codec.encode(wave(4000))[:4])


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    folder = write_codec(tmp_path / "codec", "speech_tokenizer")
    with pytest.raises(UsageError, match="does not exist"):
        SpeechTokenizer.from_folder(tmp_path / "nothing")
    (folder / "SpeechTokenizer.pt").write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="does not fit"):
        SpeechTokenizer.from_folder(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="n_filters"):
        SpeechTokenizer.from_folder(folder)


def test_codes_of_a_wrong_shape_are_refused(tmp_path: Path) -> None:
    codec = SpeechTokenizer.from_folder(write_codec(tmp_path / "c", "speech_tokenizer"))
    with pytest.raises(ValueError, match="expected"):
        codec.decode(torch.zeros(9, 4, dtype=torch.long))

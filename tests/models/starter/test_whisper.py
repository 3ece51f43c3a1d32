"""Speech recognition with the packaged Whisper tiny.en."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mio_eval.errors import UsageError
from mio_eval.models.starter.assets import ASSETS, fetch
from mio_eval.models.starter.whisper import RATE, Transcriber

pytest.importorskip("faster_whisper")
soundfile = pytest.importorskip("soundfile")

CLIP = Path(__file__).parents[2] / "golden" / "starter" / "librivox_austen_0930.flac"


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.fixture(scope="module")
def model() -> Path:
    return fetch(ASSETS["whisper-tiny.en"])


@pytest.fixture(scope="module")
def transcriber(model):
    return Transcriber(model, threads=1)


@pytest.fixture(scope="module")
def clip():
    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == RATE
    return samples


@pytest.mark.starter
def test_a_real_utterance_is_read(transcriber, clip):
    text = transcriber.transcribe(clip)
    assert words(text) == ["he", "might", "even", "have", "been", "made", "amiable", "himself"]
    assert text == text.strip()


@pytest.mark.starter
def test_the_same_clip_gives_the_same_text(model, transcriber, clip):
    text = transcriber.transcribe(clip)
    assert transcriber.transcribe(clip) == text
    assert Transcriber(model, threads=2).transcribe(clip) == text


@pytest.mark.starter
def test_a_clip_longer_than_one_window_is_read_to_its_end(transcriber, clip):
    gap = np.zeros(RATE * 30, dtype=np.float32)
    text = transcriber.transcribe(np.concatenate([clip, gap, clip]))
    assert words(text).count("amiable") == 2


@pytest.mark.starter
@pytest.mark.parametrize("length", [1, 160, RATE])
def test_silence_gives_no_text(transcriber, length):
    assert transcriber.transcribe(np.zeros(length, dtype=np.float32)) == ""


@pytest.mark.starter
@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros(0, dtype=np.float32), "empty"),
        (np.zeros((2, 100), dtype=np.float32), "mono"),
        (np.zeros(100, dtype=np.int16), "float32"),
        (np.array([0.0, np.nan], dtype=np.float32), "finite"),
    ],
)
def test_unusable_arrays_are_refused(transcriber, samples, problem):
    with pytest.raises(ValueError, match=problem):
        transcriber.transcribe(samples)


def test_a_folder_without_a_model_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"no Whisper model in .*model\.bin"):
        Transcriber(tmp_path)


def test_a_damaged_model_is_a_usage_error(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"not a model")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot load the Whisper model"):
        Transcriber(tmp_path)


def test_no_threads_is_refused(tmp_path):
    with pytest.raises(ValueError, match="threads"):
        Transcriber(tmp_path, threads=0)

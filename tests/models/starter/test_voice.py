"""The starter's voice."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mio_eval.errors import UsageError
from mio_eval.models.starter.tts import MAX_TEXT, MAX_WORD, RATE, Speaker


@pytest.fixture(scope="module")
def speaker():
    pytest.importorskip("hibari")
    return Speaker()


@pytest.mark.starter
def test_speech_is_the_same_every_time(speaker):
    text = "He might even have been made amiable himself."
    samples, rate = speaker.synthesise(text)
    assert rate == RATE == 24_000
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 1.5 < samples.size / rate < 5.0
    assert 0.02 < float(np.abs(samples).max()) <= 1.0
    np.testing.assert_array_equal(speaker.synthesise(text)[0], samples)
    np.testing.assert_array_equal(Speaker().synthesise(text)[0], samples)
    assert speaker.identity == "starter/hibari-tts-0.2.1-heart"


@pytest.mark.starter
def test_what_is_spoken_is_understood(speaker):
    pytest.importorskip("faster_whisper")
    soxr = pytest.importorskip("soxr")
    from mio_eval.annotators.asr_models import load_asr

    samples, rate = speaker.synthesise("Ask what you can do for your country.")
    wave = soxr.resample(samples, rate, 16_000, quality="HQ")
    heard = load_asr("starter").transcribe([wave])[0]
    assert heard.lower().strip(".") == "ask what you can do for your country"


@pytest.mark.starter
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no text"),
        (" \n\t", "no text"),
        ("a " * (MAX_TEXT // 2 + 1), f"at most {MAX_TEXT}"),
        ("a-" * (MAX_WORD // 2 + 1), f"at most {MAX_WORD}"),
        ("你好", "nothing to say"),
        ("1" * 50, "cannot speak"),
    ],
)
def test_what_cannot_be_spoken_is_refused(speaker, text, problem):
    with pytest.raises(ValueError, match=problem):
        speaker.synthesise(text)


def test_without_the_package_there_is_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(UsageError, match=r"needs hibari-tts .*pip install 'mio-eval\[starter\]'"):
        Speaker()
    with pytest.raises(ValueError, match="threads"):
        Speaker(threads=0)

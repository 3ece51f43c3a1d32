"""Sounds come out mono, float32, at the rate asked for, or not at all."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
import soxr

from mio_eval.media import DecodeError, decode, load_audio
from mio_eval.types import Audio

TIME = np.arange(16_000) / 16_000
TONE = 0.4 * np.sin(2 * np.pi * 440 * TIME)


def encode(wave: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str = "PCM_16"):
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def load(data: bytes, **options) -> np.ndarray:
    return load_audio(Audio(load=lambda: data, name="speech"), **options)


def refusal(data: bytes) -> str:
    with pytest.raises(DecodeError) as error:
        load(data)
    assert str(error.value).startswith("speech: ")
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        *(("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")),
        *(("FLAC", s) for s in ("PCM_S8", "PCM_16", "PCM_24")),
        ("OGG", "VORBIS"),
    ],
)
def test_same_as_soundfile(kind, subtype):
    data = encode(TONE, kind=kind, subtype=subtype)
    found = load(data)
    wanted, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert found.dtype == np.float32
    assert found.shape == (16_000,)
    assert found.flags.c_contiguous
    assert np.array_equal(found, wanted)
    assert np.abs(found - TONE).max() < (0.02 if subtype in ("PCM_U8", "PCM_S8", "ULAW") else 0.03)


def test_channels_are_averaged():
    stereo = np.column_stack([TONE, np.zeros_like(TONE)])
    data = encode(stereo, subtype="FLOAT")
    assert np.array_equal(load(data), (TONE.astype(np.float32) / 2))
    six = np.tile(TONE[:, None], 6)
    assert load(encode(six, subtype="FLOAT")) == pytest.approx(TONE, abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_is_soxrs_high_quality(rate):
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    data = encode(wave, rate, subtype="FLOAT")
    found = load(data)
    assert np.array_equal(found, soxr.resample(wave.astype(np.float32), rate, 16_000, quality="HQ"))
    assert found.dtype == np.float32
    assert abs(len(found) - 16_000) <= 1
    assert np.abs(found - TONE[: len(found)])[500:-500].max() < 1e-3


def test_channels_are_averaged_before_resampling():
    stereo = np.column_stack([TONE, -TONE])
    assert np.abs(load(encode(stereo, 44_100, subtype="FLOAT"))).max() == 0


def test_another_rate():
    assert np.array_equal(
        load(encode(TONE, subtype="FLOAT"), rate=24_000),
        soxr.resample(TONE.astype(np.float32), 16_000, 24_000, quality="HQ"),
    )


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("FLAC", "PCM_16"), ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("MP3", "MPEG_LAYER_III")],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated(kind, subtype, share):
    noise = np.random.default_rng(0).normal(0, 0.1, 64_000)
    data = encode(noise, kind=kind, subtype=subtype)
    assert len(load(data)) >= 64_000
    refusal(data[: int(len(data) * share)])


def test_wav_cut_by_one_frame():
    assert "truncated" in refusal(encode(TONE)[:-2])


def wav_with_chunk(name: bytes, content: bytes) -> bytes:
    """A WAV file with another chunk before its sound."""
    data = encode(TONE)
    chunk = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return data[:12] + chunk + data[12:]


def test_wav_with_other_chunks_is_whole():
    data = wav_with_chunk(b"note", b"odd")
    assert np.array_equal(load(data), load(encode(TONE)))
    assert "truncated" in refusal(data[:-10])


def test_wav_of_unknown_length():
    """A program that wrote to a pipe could not say how long the sound would be."""
    data = bytearray(encode(TONE))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert len(load(bytes(data))) == 16_000


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_no_samples(kind):
    refusal(encode(np.zeros(0), kind=kind))


def test_zero_length_is_said():
    assert refusal(encode(np.zeros(0))) == "speech: no samples"


@pytest.mark.parametrize(
    "data",
    [b"", b"one two three\n", b"<html>404</html>", b"\0" * 4096, b"RIFF\0\0\0\0WAVE", b"fLaC"],
    ids=["empty", "text", "web page", "zeros", "only a WAV header", "only a FLAC mark"],
)
def test_no_sound(data):
    assert "cannot decode audio" in refusal(data)


def test_too_long(monkeypatch):
    data = encode(TONE)
    monkeypatch.setattr(decode, "MAX_AUDIO_SECONDS", 0.5)
    assert refusal(data) == "speech: 0.0 hours of audio is too long"
    monkeypatch.setattr(decode, "MAX_AUDIO_SECONDS", 1)
    assert len(load(data)) == 16_000


def test_too_long_by_its_header_alone():
    """A FLAC header that promises days of sound is refused before anything is decoded."""
    data = bytearray(encode(TONE, kind="FLAC"))
    assert data[:4] == b"fLaC"
    # Bytes 21 to 25 of STREAMINFO end with the 36-bit number of samples.
    data[21] = (data[21] & 0xF0) | 0x0F
    assert "hours of audio is too long" in refusal(bytes(data))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_audio(Audio(tmp_path / "nowhere.flac"))


def mp3(*, stated: bool, variable: bool, rate: int = 16_000, tag: bytes = b"") -> bytes:
    """Five seconds that grow louder, with or without a header that states how long they are."""
    av = pytest.importorskip("av")
    clock = np.arange(5 * rate) / rate
    wave = (np.sin(2 * np.pi * 440 * clock) * clock / 10).astype(np.float32)
    buffer = io.BytesIO()
    options = {} if stated else {"write_xing": "0", "id3v2_version": "0"}
    with av.open(buffer, "w", format="mp3", options=options) as container:
        stream = container.add_stream("mp3", rate=rate, layout="mono")
        if variable:
            stream.codec_context.qscale = True
            stream.codec_context.global_quality = 4 * 118
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return tag + buffer.getvalue()


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
@pytest.mark.parametrize("stated", [True, False])
def test_mp3_is_heard_to_its_end(stated, rate):
    """Without the header libsndfile guesses a length, which is never quite right."""
    tag = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    data = mp3(stated=stated, variable=False, rate=rate, tag=b"" if stated else tag)
    assert len(load(data, rate=rate)) == pytest.approx(5 * rate, abs=4 * 1152)


def test_mp3_of_which_libsndfile_would_drop_most_is_refused():
    """It takes the first frame's bit rate for that of the file."""
    data = mp3(stated=False, variable=True)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert len(file.read()) < 3 * 16_000
    assert "does not state its length" in refusal(data)
    assert len(load(mp3(stated=True, variable=True))) == 5 * 16_000


def test_what_is_cut_is_not_taken_for_an_unknown_format():
    """Only of the latter may another decoder be asked."""
    cut = encode(TONE, kind="MP3", subtype="MPEG_LAYER_III")[:-200]
    for data, unknown in ((cut, False), (b"no sound at all", True)):
        with pytest.raises(DecodeError) as error:
            load(data)
        assert error.value.unknown is unknown

"""Decoding sound tracks: tones in compressed formats, damaged files, limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media.clips import can_encode, numbered, tone, write_clip, write_sound

from mio_eval.media import audio_track
from mio_eval.media.audio_track import load_audio_track
from mio_eval.media.decode import DecodeError, load_audio
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import load_frames
from mio_eval.types import Audio, Media, Video


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.m4a", "aac"), ("a.mp4", "aac"), ("a.webm", "libopus"), ("a.ogg", "libopus")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_compressed_sounds(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    if not can_encode(codec):
        pytest.skip(f"no {codec} encoder")
    wave = tone(1.0, channels)
    wave[:, :24_000] = 0  # silence, then the tone from half a second on
    path = write_sound(tmp_path / name, wave, codec)
    for media in (Audio(path), Audio(load=path.read_bytes, name=name)):
        heard = load_audio_track(media)
        assert heard.dtype == np.float32
        assert heard.flags.c_contiguous
        assert len(heard) == pytest.approx(16_000, abs=1_100)
        assert int(np.argmax(np.abs(heard) > 0.2)) == pytest.approx(8_000, abs=160)
        assert np.abs(heard[9_000:15_000]).max() == pytest.approx(0.5, abs=0.05)
        spectrum = np.abs(np.fft.rfft(heard[8_500:15_500]))
        assert np.argmax(spectrum) * 16_000 / 7_000 == pytest.approx(440, abs=3)
    assert len(load_audio_track(Audio(path), rate=8_000)) == pytest.approx(8_000, abs=550)


def test_channels_are_averaged(tmp_path: Path) -> None:
    wave = tone(0.5, 2)
    wave[1] *= -1
    path = tmp_path / "cancel.mkv"
    assert np.abs(load_audio_track(Audio(write_sound(path, wave, "flac")))).max() < 1e-3


def test_the_sound_of_a_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "v.mp4", [numbered(i) for i in range(25)], sound=tone(1.0))
    heard = load_audio_track(Video(path))
    assert np.abs(heard[5_000:15_000]).max() == pytest.approx(0.5, abs=0.05)
    assert load_frames(Video(path), parse_policy("uniform:3")).indices == [0, 12, 24]


@pytest.mark.parametrize("rate", [8_000, 48_000, 22_050])
def test_lossless_sound_is_the_same_both_ways(tmp_path: Path, rate: int) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "stereo.flac"
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, (rate, 2)).astype(np.float32)
    soundfile.write(path, wave, rate, subtype="PCM_16")
    np.testing.assert_allclose(load_audio_track(Audio(path)), load_audio(Audio(path)), atol=1e-6)


def sound_cases(tmp_path: Path) -> dict[str, Media]:
    whole = write_sound(tmp_path / "a.mkv", tone(3.0)).read_bytes()
    silent = write_clip(tmp_path / "silent.mp4", [numbered(0)] * 5)
    return {
        "no sound track": Video(silent),
        "of 3.0 seconds": Audio(load=lambda: whole[: len(whole) // 2], name="a.mkv"),
        "cannot open": Audio(load=lambda: b"", name="a.m4a"),
    }


@pytest.mark.parametrize("message", ["no sound track", "of 3.0 seconds", "cannot open"])
def test_bad_sounds_are_errors(tmp_path: Path, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        load_audio_track(sound_cases(tmp_path)[message])


@pytest.mark.parametrize("name", ["a.mkv", "a.aac"])
def test_sounds_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = write_sound(tmp_path / name, tone(3.0))
    monkeypatch.setattr(audio_track, "MAX_AUDIO_SECONDS", 2)
    with pytest.raises(DecodeError, match="too long"):
        load_audio_track(Audio(path))

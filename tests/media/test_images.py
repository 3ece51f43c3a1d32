"""Images come out as RGB and upright, or not at all."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PILImage

from mio_eval.media import DecodeError, decode, load_image
from mio_eval.types import Image

RNG = np.random.default_rng(0)
RGB = PILImage.fromarray(RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8))
EXIF_ORIENTATION = 0x0112


def encode(image: PILImage.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def load(data: bytes) -> PILImage.Image:
    return load_image(Image(load=lambda: data, name="photo"))


def refusal(data: bytes) -> str:
    with pytest.raises(DecodeError) as error:
        load(data)
    assert str(error.value).startswith("photo: ")
    return str(error.value)


def test_rgb_is_unchanged():
    assert np.array_equal(load(encode(RGB)), RGB)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGBA")),
        *((mode, "TIFF") for mode in ("CMYK", "YCbCr", "L")),
        ("P", "GIF"),
    ],
)
def test_other_modes_become_rgb(mode, kind):
    image = RGB.convert(mode)
    found = load(encode(image, kind))
    assert found.mode == "RGB"
    assert np.array_equal(found, image.convert("RGB"))


def test_cmyk_jpeg():
    found = load(encode(PILImage.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = np.asarray(found).reshape(-1, 3).mean(axis=0)
    assert (red > 245, green < 10, blue < 10) == (True, True, True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_brightness(kind):
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = np.asarray(load(encode(PILImage.fromarray(grey), kind)))
    assert np.array_equal(found, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize(("kind", "dtype"), [("TIFF", "int32"), ("TIFF", "float32"), ("PPM", "u2")])
def test_grey_without_a_known_white_is_refused(kind, dtype):
    """Clipped at 255, an image from 0 to 1 is black and one from 0 to 65,535 is white."""
    grey = np.arange(64).reshape(8, 8).astype(dtype)
    assert "pixels of 32 bits" in refusal(encode(PILImage.fromarray(grey), kind))


def png_16_bit_rgb(pixels: np.ndarray) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_sixteen_bit_colour():
    pixels = RNG.integers(0, 65536, (5, 7, 3))
    assert np.array_equal(load(png_16_bit_rgb(pixels)), pixels >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    """A photo stored turned is shown upright: the marked corner comes back to the top left."""
    upright = np.zeros((4, 6, 3), dtype=np.uint8)
    upright[0, 0] = 255
    upright[0, 1] = 128
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = PILImage.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encode(PILImage.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(load(data), upright)


def test_transparent_palette_and_first_frame_of_an_animation():
    frames = [PILImage.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load(data).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(kind, share):
    noise = PILImage.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, kind)
    assert load(data).size == (64, 64)
    refusal(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data",
    [b"", b"a cat on a mat\n", b"<html>404 Not Found</html>", b"\0" * 1000, b"\xff\xd8\xff\xe0"],
    ids=["empty", "text", "web page", "zeros", "only a header"],
)
def test_no_image(data):
    assert "cannot decode image" in refusal(data)


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims many pixels and holds none of them."""
    data = bytearray(encode(PILImage.new("1", (1, 1))))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize("size", [(10_001, 10_000), (20_000, 20_000), (65_535, 65_535)])
def test_decompression_bomb_is_refused(size):
    message = refusal(bomb(*size))
    assert "too large" in message or "exceeds limit" in message


def test_limit_is_ours_where_pillow_would_allow_more(monkeypatch):
    monkeypatch.setattr(decode, "MAX_PIXELS", 53)
    assert refusal(encode(RGB)) == "photo: 9×6 pixels is too large"
    monkeypatch.setattr(decode, "MAX_PIXELS", 54)
    assert load(encode(RGB)).size == (9, 6)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_image(Image(tmp_path / "nowhere.jpg"))


def test_file_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"text")
    with pytest.raises(DecodeError, match=r"^a\.jpg: cannot decode image: "):
        load_image(Image(tmp_path / "a.jpg"))

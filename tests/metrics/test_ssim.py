"""SSIM against a plain reading of Wang et al. (2004)."""

from __future__ import annotations

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("skimage")

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.metrics.ssim import ssim_keys, ssim_pair  # noqa: E402


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def naive_ssim(a, b):
    """Equation 13 with the 11 x 11 Gaussian window, over windows inside the image."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (m[top : top + 11, left : left + 11] for m in (a, b))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            values.append(
                (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return np.mean(values)


def test_is_its_definition():
    a, b = noise(30, 24), Image.blend(noise(30, 24), noise(30, 24, 1), 0.4)
    grey = [np.asarray(i.convert("L")) for i in (a, b)]
    assert ssim_pair(a, b) == pytest.approx(naive_ssim(*grey), abs=1e-12)
    channels = [naive_ssim(np.asarray(a)[..., c], np.asarray(b)[..., c]) for c in range(3)]
    assert ssim_pair(a, b, colour="rgb") == pytest.approx(np.mean(channels), abs=1e-12)


def test_range():
    a = noise(40, 30)
    assert ssim_pair(a, a) == pytest.approx(1)
    inverted = Image.fromarray(255 - np.asarray(a))
    assert -1 <= ssim_pair(a, inverted) < 0
    black, white = Image.new("RGB", (20, 20)), Image.new("RGB", (20, 20), "white")
    c1 = (0.01 * 255) ** 2
    assert ssim_pair(black, white) == pytest.approx(c1 / (255**2 + c1))


def test_resize_rules():
    a, b = noise(64, 64), noise(40, 30, 1)
    fitted = a.resize((40, 30), Image.Resampling.BICUBIC)
    assert ssim_pair(a, b) == ssim_pair(fitted, b) == ssim_pair(fitted, b, resize="none")
    square = [i.resize((224, 224), Image.Resampling.BICUBIC) for i in (a, b)]
    assert ssim_pair(a, b, resize="square-224") == ssim_pair(*square, resize="none")
    assert ssim_pair(a, b) != ssim_pair(b, a)
    with pytest.raises(ValueError, match="one size"):
        ssim_pair(a, b, resize="none")


def test_refuses():
    with pytest.raises(ValueError, match="11 pixels"):
        ssim_pair(noise(40, 40), noise(10, 40))
    with pytest.raises(UsageError, match="unknown resize 'wide'"):
        ssim_pair(noise(20, 20), noise(20, 20), resize="wide")
    with pytest.raises(UsageError, match="unknown colour 'ycc'"):
        ssim_pair(noise(20, 20), noise(20, 20), colour="ycc")


def test_modes():
    a = noise(20, 20)
    assert ssim_pair(a.convert("RGBA"), a) == pytest.approx(1)
    assert ssim_pair(a.convert("L"), a) == pytest.approx(1)


def test_keys():
    assert ssim_keys() == [
        ("resize", "reference-bicubic"),
        ("colour", "luma"),
        ("win", "gauss11-1.5"),
        ("range", "255"),
    ]
    assert ssim_keys("none", "rgb")[:2] == [("resize", "none"), ("colour", "rgb")]

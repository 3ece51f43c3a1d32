"""SSIM between two images: Wang et al. (2004), through scikit-image.

Papers that print SSIM of generated images seldom say how the two were brought to one size, nor
whether colours were dropped. Both are settings here, and part of the signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    import PIL.Image

Resize = Literal["reference", "square-224", "square-256", "square-512", "none"]
Colour = Literal["luma", "rgb"]

SIGMA = 1.5  # pixels, of the Gaussian window
WINDOW = 11  # pixels
DATA_RANGE = 255


def ssim_pair(
    generated: PIL.Image.Image,
    reference: PIL.Image.Image,
    resize: Resize = "reference",
    colour: Colour = "luma",
) -> float:
    """Return the mean structural similarity of two images, from -1 to 1.

    The settings of the paper: Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01,
    K2 = 0.03, population variances, data range 255; the mean is over windows that lie wholly inside
    the image. There is no downsampling before.

    Args:
        generated, reference: any size and mode; alpha is dropped.
        resize: `reference` brings the generated image to the reference's width and height,
            `square-N` brings both to N x N, both with Pillow's antialiased bicubic filter and
            without keeping the aspect ratio; `none` refuses images of different sizes.
        colour: `luma` compares ITU-R 601 luma as 8-bit integers (Wang's SSIM is defined on one
            channel); `rgb` averages the three channels' values.

    Raises:
        UsageError: scikit-image is missing, or a setting is unknown.
        ValueError: the sizes differ under `none`, or a side is shorter than the window.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        hint = "pip install 'mio-eval[image-metrics]'"
        raise UsageError(f"ssim needs scikit-image ({error}): {hint}") from error
    if colour not in get_args(Colour):
        raise UsageError(f"unknown colour {colour!r} of ssim; known: {', '.join(get_args(Colour))}")
    a, b = _one_size(generated.convert("RGB"), reference.convert("RGB"), resize)
    if min(a.size) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} pixels a side, got {a.width}×{a.height}")
    if colour == "luma":
        a, b = a.convert("L"), b.convert("L")
    return float(
        structural_similarity(
            np.asarray(a),
            np.asarray(b),
            data_range=DATA_RANGE,
            channel_axis=None if colour == "luma" else 2,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
            K1=0.01,
            K2=0.03,
        )
    )


def ssim_keys(resize: Resize = "reference", colour: Colour = "luma") -> list[tuple[str, str]]:
    """List the signature's keys in their order: everything that changes the number."""
    return [
        ("resize", resize if resize == "none" else f"{resize}-bicubic"),
        ("colour", colour),
        ("win", f"gauss{WINDOW}-{SIGMA}"),
        ("range", str(DATA_RANGE)),
    ]


def _one_size(
    a: PIL.Image.Image, b: PIL.Image.Image, resize: Resize
) -> tuple[PIL.Image.Image, PIL.Image.Image]:
    from PIL import Image

    if resize not in get_args(Resize):
        raise UsageError(f"unknown resize {resize!r} of ssim; known: {', '.join(get_args(Resize))}")
    size = b.size
    if resize == "none":
        if a.size != b.size:
            raise ValueError(f"SSIM without resizing needs one size, got {a.size} and {b.size}")
    elif resize != "reference":
        side = int(resize.removeprefix("square-"))
        size = (side, side)

    def fit(image: PIL.Image.Image) -> PIL.Image.Image:
        return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)

    return fit(a), fit(b)

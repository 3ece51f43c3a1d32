"""Images out of the hf backend: pixels as PNG files, strictly."""

from __future__ import annotations

import io
from typing import Any

from ...types import Image


def png_file(pixels: Any) -> Image:
    """Put an image into a PNG file.

    Args:
        pixels: a PIL image, or (height, width, 3) floats from 0 to 1, rounded to 8 bits as
            diffusers does.

    Raises:
        ValueError: there are no pixels, or pixels that are not finite (a decoder that overflowed
            in half precision).
    """
    import numpy as np
    from PIL import Image as Pillow

    if not hasattr(pixels, "save"):
        array = np.asarray(pixels)
        if array.ndim != 3 or array.shape[-1] not in (1, 3) or not array.size:
            raise ValueError(f"expected pixels (height, width, 3), the model gave {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(
                "the model's pixels are not finite (nan or infinity): its decoder overflowed; "
                "try dtype=bfloat16 or float32"
            )
        if array.dtype != np.uint8:
            array = (array.clip(0, 1) * 255).round().astype(np.uint8)
        pixels = Pillow.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
    stream = io.BytesIO()
    pixels.convert("RGB").save(stream, format="PNG")
    data = stream.getvalue()
    return Image(load=lambda: data, name="image.png")

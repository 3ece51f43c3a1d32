"""CLIP-I, CLIP-T and CLIPScore: means over cosines of image and text embeddings.

The functions take embeddings; `mio_eval.annotators.clip_models` makes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CLIPSCORE_WEIGHT = 2.5
CLIPSCORE_PREFIX = "A photo depicts "
"""What Hessel et al. put before every caption; part of their metric, not of CLIP-T."""


def cosine_pairs(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Return the cosine of row i of `a` with row i of `b`, in float64.

    Args:
        a, b: (n, d) embeddings, normalised or not.

    Returns:
        float64 (n,), from -1 to 1.

    Raises:
        ValueError: the shapes differ, are not (n, d), or a row is zero or not finite.
    """
    left, right = _rows(a, "a"), _rows(b, "b")
    if left.shape != right.shape:
        raise ValueError(f"expected as many pairs of one width, got {left.shape} and {right.shape}")
    cosines: Floats = np.einsum("nd,nd->n", left, right)
    return np.clip(cosines, -1.0, 1.0)


def clip_i_items(generated: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Score each generated image against its reference image: 100 cos, shape (n,).

    The rule of GILL (Koh et al., 2023): one reference per image, L2-normalised embeddings,
    nothing clamped. CLIP-I is the mean (`clip_i`).
    """
    return 100.0 * cosine_pairs(generated, reference)


def clip_i(generated: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return CLIP-I: 100 times the mean cosine of (n, d) image embeddings; NaN when n is 0."""
    return _mean(clip_i_items(generated, reference))


def clip_t_items(images: npt.ArrayLike, texts: npt.ArrayLike) -> Floats:
    """Score each image against its text: 100 cos, not clamped, shape (n,)."""
    return 100.0 * cosine_pairs(images, texts)


def clip_t(images: npt.ArrayLike, texts: npt.ArrayLike) -> float:
    """Return CLIP-T: 100 times the mean cosine of image and text embeddings; NaN when n is 0.

    Neither an item nor the mean is clamped at 0. torchmetrics' `clip_score` clamps the mean.
    """
    return _mean(clip_t_items(images, texts))


def clip_score_items(images: npt.ArrayLike, texts: npt.ArrayLike) -> Floats:
    """Score each image against its text as CLIPScore does: 2.5 max(cos, 0), shape (n,).

    The scale is that of Hessel et al. (2021), equation 1: 0 to 2.5, mostly below 1, not ×100.
    Their texts begin with `CLIPSCORE_PREFIX` and their encoder is ViT-B/32.
    """
    return CLIPSCORE_WEIGHT * np.maximum(cosine_pairs(images, texts), 0.0)


def clip_score(images: npt.ArrayLike, texts: npt.ArrayLike) -> float:
    """Return CLIPScore: the mean over items of 2.5 max(cos, 0); NaN when n is 0."""
    return _mean(clip_score_items(images, texts))


def _rows(values: npt.ArrayLike, name: str) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"expected {name} of shape (n, d), got {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
    if len(bad):
        raise ValueError(f"row {bad[0]} of {name} is zero or not finite: it has no direction")
    normalised: Floats = rows / norms
    return normalised


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")

"""Fréchet distance and kernel distance between two sets of features (FID, FAD, KID).

The functions take features of any extractor: Inception for FID, an audio network for FAD. The
extractor is part of the definition; a distance in CLIP's space is not FID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

Floats = npt.NDArray[np.float64]

FID_MINIMUM = 2048  # images on each side: Inception features have 2,048 dimensions
_ROWS = 4096  # features at a time


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over features, enough for their mean and covariance; sums of shards add up.

    In float64. A covariance from sums loses about mean²/variance in relative precision: nothing
    to mind where the mean is within some thousands of standard deviations, as features' are.

    Attributes:
        n: how many features.
        total: (d,) their sum.
        outer: (d, d) the sum of their outer products.
    """

    n: int
    total: Floats
    outer: Floats

    @classmethod
    def of(cls, features: npt.ArrayLike) -> Self:
        """Sum up (n, d) features. Raises ValueError for another shape or non-finite values."""
        rows = np.asarray(features)
        if rows.ndim != 2 or rows.shape[1] == 0:
            raise ValueError(f"expected features of shape (n, d), got {rows.shape}")
        width = rows.shape[1]
        total, outer = np.zeros(width), np.zeros((width, width))
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS].astype(np.float64)
            total += part.sum(axis=0)
            outer += part.T @ part
        # A sum of outer products is finite only if every value is.
        if not np.isfinite(outer).all():
            raise ValueError("features hold values that are not finite")
        return cls(len(rows), total, outer)

    def __add__(self, other: Moments) -> Moments:
        """Merge two sets of features."""
        if self.total.shape != other.total.shape:
            raise ValueError(f"cannot add features of width {len(self.total)}, {len(other.total)}")
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    def mean(self) -> Floats:
        """Return the mean, (d,). Raises ValueError without features."""
        if self.n < 1:
            raise ValueError("no features: no mean")
        return self.total / self.n

    def covariance(self) -> Floats:
        """Return the sample covariance (n - 1 below), (d, d). Raises ValueError below 2."""
        if self.n < 2:
            raise ValueError(f"{self.n} features: a covariance needs 2")
        centred: Floats = self.outer - np.outer(self.total, self.total) / self.n
        return centred / (self.n - 1)


def moments(features: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return mean (d,) and sample covariance (d, d; n - 1 below) of (n, d) features, in float64.

    The covariance is that of `np.cov(features, rowvar=False)`, which centres first.

    Raises:
        ValueError: not (n, d) with n of 2 or more, or values that are not finite.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] < 2 or rows.shape[1] == 0:
        raise ValueError(f"expected features of shape (2 or more, d), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("features hold values that are not finite")
    mean: Floats = rows.mean(axis=0)
    return mean, np.atleast_2d(np.cov(rows, rowvar=False))


def frechet_distance(
    mu1: npt.ArrayLike, s1: npt.ArrayLike, mu2: npt.ArrayLike, s2: npt.ArrayLike
) -> float:
    """Return the squared Fréchet distance of two Gaussians, 0 or more.

    |mu1 - mu2|² + tr(s1) + tr(s2) - 2 tr((s1 s2)^½), where the last trace is the sum of the square
    roots of the eigenvalues of s1^½ s2 s1^½, a symmetric matrix. Eigenvalues that rounding made
    negative count as 0, and so does a negative distance.

    Args:
        mu1, mu2: (d,) means.
        s1, s2: (d, d) covariances.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, or a covariance that is
            not symmetric.
    """
    m1, m2 = np.asarray(mu1, dtype=np.float64), np.asarray(mu2, dtype=np.float64)
    c1, c2 = np.asarray(s1, dtype=np.float64), np.asarray(s2, dtype=np.float64)
    if m1.ndim != 1 or m1.shape != m2.shape or not c1.shape == c2.shape == (len(m1), len(m1)):
        raise ValueError(f"shapes do not fit: {m1.shape}, {c1.shape}, {m2.shape}, {c2.shape}")
    if not all(np.isfinite(array).all() for array in (m1, m2, c1, c2)):
        raise ValueError("means or covariances hold values that are not finite")
    for matrix in (c1, c2):
        if not np.allclose(
            matrix, matrix.T, rtol=1e-6, atol=1e-9 * max(1e-300, np.abs(matrix).max())
        ):
            raise ValueError("a covariance is not symmetric")
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = root @ c2 @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    gap = m1 - m2
    return max(0.0, float(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * trace))


def frechet_of_few(features: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the squared Fréchet distance of two sets of fewer features than dimensions.

    With centred features X and Y (over the roots of n - 1 and m - 1), tr((Σ₁ Σ₂)^½) is the sum of
    the singular values of X Yᵀ, an (n, m) matrix: small, and free of the noise that eigenvalues
    near 0 bring into the root of a singular covariance.

    Args:
        features, reference: (n, d) and (m, d), 2 or more each.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"expected two sets of 2 or more features, got {x.shape} and {y.shape}")
    gap = x.mean(axis=0) - y.mean(axis=0)
    a, b = ((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(gap @ gap + (a * a).sum() + (b * b).sum() - 2 * trace))


def fid(features: npt.ArrayLike, reference: npt.ArrayLike, allow_small: bool = False) -> float:
    """Return the Fréchet distance of two sets of features, with the rule for images.

    Args:
        features, reference: (n, d) and (m, d).
        allow_small: score fewer than 2,048 images too; say so wherever the number stands.

    Raises:
        UsageError: fewer than 2,048 images on a side, and not `allow_small`.
        ValueError: as `moments` and `frechet_distance`.
    """
    (m1, c1), (m2, c2) = moments(features), moments(reference)
    check_fid_size(len(np.asarray(features)), len(np.asarray(reference)), allow_small)
    return frechet_distance(m1, c1, m2, c2)


def check_fid_size(n: int, m: int, allow_small: bool = False) -> None:
    """Refuse sets too small for FID. Raises UsageError."""
    if min(n, m) < FID_MINIMUM and not allow_small:
        raise UsageError(
            f"fid: {min(n, m)} images on one side, at least {FID_MINIMUM} are needed: below, the "
            "covariance has no full rank and the value depends on the number of images. Score more "
            "images, use kid (unbiased at any number), or ask for it: allow_small=true"
        )


@dataclass(frozen=True, slots=True)
class Kid:
    """A kernel distance: mean and standard deviation (n below) over subsets. Unscaled."""

    mean: float
    std: float


def kid(
    features: npt.ArrayLike,
    reference: npt.ArrayLike,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> Kid:
    """Return the kernel distance (Bińkowski et al., 2018): unbiased squared MMD over subsets.

    Kernel (x·y / d + 1)³. Each subset is drawn without replacement from either side. The value
    is not scaled (papers print 10³ times it) and may be negative: it is unbiased.

    Args:
        features, reference: (n, d) and (m, d).
        subsets, size: how many subsets, and features from each side in one.
        seed: of the draws (numpy's PCG64).

    Raises:
        UsageError: `size` is below 2 or above n or m, or `subsets` below 1.
        ValueError: shapes that do not fit, or values that are not finite.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise ValueError(f"expected features (n, d) and (m, d), got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("features hold values that are not finite")
    if subsets < 1 or not 2 <= size <= min(len(x), len(y)):
        raise UsageError(
            f"kid: {subsets} subsets of {size} from {len(x)} and {len(y)} images is not possible; "
            f"size must be 2 to {min(len(x), len(y))}, subsets 1 or more"
        )
    rng = np.random.default_rng(seed)
    values = np.array(
        [
            squared_mmd(
                x[rng.choice(len(x), size, replace=False)],
                y[rng.choice(len(y), size, replace=False)],
            )
            for _ in range(subsets)
        ]
    )
    return Kid(float(values.mean()), float(values.std()))


def squared_mmd(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the unbiased squared MMD of (n, d) and (m, d) under the kernel (x·y / d + 1)³."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    def kernel(left: Floats, right: Floats) -> Floats:
        values: Floats = (left @ right.T / left.shape[1] + 1.0) ** 3
        return values

    def off_diagonal_mean(matrix: Floats) -> float:
        n = len(matrix)
        return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))

    within = off_diagonal_mean(kernel(a, a)) + off_diagonal_mean(kernel(b, b))
    return within - 2.0 * float(kernel(a, b).mean())

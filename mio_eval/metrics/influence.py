"""How much each sample moves a distance between two sets: influence functions of FID and KID.

The influence of sample i is the derivative of the distance as sample i gets more weight, times the
number of samples; influences sum to 0. The variance of the distance is about Σ influence² / n².
Sample i is a generated image together with the real one it stands beside: both move at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .frechet import Floats, moments

_BLOCK = 512  # rows of a kernel matrix at a time


def frechet_influence(
    features: npt.ArrayLike,
    reference: npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike],
) -> Floats:
    """Return the influence of every sample on the Fréchet distance, float64 (n,).

    The derivative of the distance in the covariances is I − T and I − T⁻¹, with the optimal
    transport T = Σ₁^−½ (Σ₁^½ Σ₂ Σ₁^½)^½ Σ₁^−½ from the one Gaussian to the other (Takatsu, 2011);
    in the means it is ±2 (μ₁ − μ₂). Directions in which nothing varies are left out.

    Args:
        features: (n, d), n above d.
        reference: (n, d), row i beside row i of `features`; or fixed (mean, covariance).
    """
    x = np.asarray(features, dtype=np.float64)
    m1, c1 = moments(x)
    y: Floats | None = None
    if isinstance(reference, tuple):
        mean, covariance = reference
        m2, c2 = np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    else:
        y = np.asarray(reference, dtype=np.float64)
        m2, c2 = moments(y)
    root, inverse = _roots(c1)
    middle, middle_inverse = _roots(root @ c2 @ root)
    gap = m1 - m2
    eye = np.eye(len(gap))
    found = _moved(x - m1, gap, eye - inverse @ middle @ inverse)
    if y is not None:
        found += _moved(y - m2, -gap, eye - root @ middle_inverse @ root)
    return _centred(found)


def _roots(matrix: Floats) -> tuple[Floats, Floats]:
    """Return square root and inverse square root of a covariance, on the space it spans."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    smallest = len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    real = values > smallest
    roots = np.sqrt(np.where(real, values, 0.0))
    inverses = np.where(real, 1.0, 0.0) / np.where(real, roots, 1.0)
    return (vectors * roots) @ vectors.T, (vectors * inverses) @ vectors.T


def _moved(centred: Floats, gap: Floats, slope: Floats) -> Floats:
    found: Floats = 2.0 * centred @ gap + np.einsum("nd,nd->n", centred @ slope, centred)
    return found


def kernel_influence(features: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[float, Floats]:
    """Return the unbiased squared MMD of all pairs, and the influence of every sample, (n,).

    Kernel (x·y / d + 1)³. The value is that of `squared_mmd`; it is a U-statistic, and the
    influence is its first-order (Hájek) projection, from row means of the three kernel matrices.

    Args:
        features, reference: (n, d) with n of 2 or more; row i of either belongs to sample i.
    """
    x = np.asarray(features, dtype=np.float64)
    y = np.asarray(reference, dtype=np.float64)
    n, width = x.shape
    if x.shape != y.shape or n < 2:
        raise ValueError(f"expected two sets of one shape, 2 or more, got {x.shape}, {y.shape}")
    within, across = np.zeros(n), np.zeros(n)
    means = np.zeros(3)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        for number, side in enumerate((x, y)):
            kernel = (side[rows] @ side.T / width + 1.0) ** 3
            sums = kernel.sum(axis=1) - np.diagonal(kernel, start)
            within[rows] += sums / (n - 1)
            means[number] += sums.sum() / (n * (n - 1))
        kernel = (x[rows] @ y.T / width + 1.0) ** 3
        across[rows] += kernel.sum(axis=1) / n
        across += kernel.sum(axis=0) / n
        means[2] += kernel.sum() / n**2
    value = float(means[0] + means[1] - 2.0 * means[2])
    return value, _centred(2.0 * (within - across))


def _centred(influence: Floats) -> Floats:
    centred: Floats = influence - influence.mean()
    return centred

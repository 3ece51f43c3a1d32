"""The quantiles that tests need, without scipy: `compare` and `gate` start at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_PRECISION = 1e-16
_STEPS = 10_000


def normal_quantile(p: float) -> float:
    """Return z with P(Z ≤ z) = p."""
    return _NORMAL.inv_cdf(p)


def two_sided_p(z: float) -> float:
    """Return P(|Z| ≥ |z|)."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def student_quantile(p: float, df: float) -> float:
    """Return t with P(T ≤ t) = p for Student's t with `df` degrees of freedom."""
    if p == 0.5:
        return 0.0
    tail = min(p, 1.0 - p)
    x = beta_quantile(2.0 * tail, df / 2.0, 0.5)
    size = math.sqrt(df * (1.0 - x) / x)
    return size if p > 0.5 else -size


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x with P(X ≤ x) = p for X of the beta distribution (a, b)."""
    return _bisect(lambda x: regularised_beta(x, a, b) - p, 0.0, 1.0)


def regularised_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), the distribution's P(X ≤ x).

    Lentz's method on the continued fraction of Numerical Recipes 6.4 (DLMF 8.17.22).
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - regularised_beta(1.0 - x, b, a)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    )
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, _STEPS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / (1.0 + numerator * d or _TINY)
            c = 1.0 + numerator / c or _TINY
            fraction *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return front * fraction / a


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where an increasing function crosses 0."""
    for _ in range(200):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if function(middle) < 0.0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0

"""Tests and intervals for answers that are right or wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .distributions import beta_quantile, normal_quantile


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test: `only_first` samples only the first system has right, and the reverse."""

    only_first: int
    only_second: int
    exact: float
    """2·P(X ≤ min), X binomial over the discordant samples; at most 1."""
    mid_p: float
    """The exact p less P(X = min): close to the nominal level (Fagerland et al., 2013)."""


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test whether two systems are right equally often, from their discordant samples.

    The samples are taken to be independent; clusters are not looked at.
    """
    n, few = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    terms = [_half_binomial(k, n) for k in range(few + 1)]
    doubled = 2.0 * math.fsum(terms)
    return McNemar(only_first, only_second, min(1.0, doubled), min(1.0, doubled - terms[-1]))


def _half_binomial(k: int, n: int) -> float:
    """Return P(X = k) for X binomial (n, ½)."""
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0)
    return math.exp(log)


def wilson_interval(right: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion. `right` may be a sum of partial credits."""
    z = normal_quantile(0.5 + confidence / 2.0)
    p = right / n
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (middle - half) / scale, (middle + half) / scale


def clopper_pearson_interval(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (never below its nominal coverage)."""
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if right == 0 else beta_quantile(tail, right, n - right + 1)
    high = 1.0 if right == n else beta_quantile(1.0 - tail, right + 1, n - right)
    return low, high

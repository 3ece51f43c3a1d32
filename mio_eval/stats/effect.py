"""How large a difference a test can see, and how many samples a difference needs.

Two-sided level α, normal approximation: difference = (z₁₋α⸝₂ + z_power) · standard error, and the
standard error falls with the root of the number of samples (Miller 2024, section 5).
"""

from __future__ import annotations

import math

from .distributions import normal_quantile, two_sided_p

ALPHA = 0.05
POWER = 0.8


def minimal_detectable_effect(
    standard_error: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Return the difference that is found significant with probability `power`."""
    return (normal_quantile(1.0 - alpha / 2.0) + normal_quantile(power)) * standard_error


def samples_needed(
    difference: float, standard_error: float, n: int, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Return how many samples a difference needs, from the standard error at `n` of them."""
    effect = minimal_detectable_effect(standard_error, alpha, power)
    return max(2, math.ceil(n * (effect / difference) ** 2))


def unpaired_p(difference: float, *standard_errors: float) -> float:
    """Return the two-sided p of a difference of independent results, from their standard errors."""
    error = math.sqrt(sum(e * e for e in standard_errors))
    if error == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return two_sided_p(difference / error)

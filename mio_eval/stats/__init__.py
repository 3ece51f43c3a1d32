"""Statistics: exact sums, confidence intervals, resampling over clusters."""

from .bootstrap import CONFIDENCE, MIN_CLUSTERS, RESAMPLES, SEED, Interval, bootstrap_interval
from .sums import column_sums, group_sums

__all__ = [
    "CONFIDENCE",
    "MIN_CLUSTERS",
    "RESAMPLES",
    "SEED",
    "Interval",
    "bootstrap_interval",
    "column_sums",
    "group_sums",
]

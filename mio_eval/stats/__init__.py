"""Statistics: exact sums, confidence intervals, paired tests, power; all resample clusters."""

from .binary import McNemar, clopper_pearson_interval, mcnemar, wilson_interval
from .bootstrap import CONFIDENCE, MIN_CLUSTERS, RESAMPLES, SEED, Interval, bootstrap_interval
from .effect import ALPHA, POWER, minimal_detectable_effect, samples_needed, unpaired_p
from .multiple import holm
from .paired import Pair, PairedTest, paired_test, paired_tests
from .standard_error import (
    clustered_standard_error,
    is_spread,
    mean_standard_error,
    pseudo_values,
)
from .sums import column_sums, group_sums

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "MIN_CLUSTERS",
    "POWER",
    "RESAMPLES",
    "SEED",
    "Interval",
    "McNemar",
    "Pair",
    "PairedTest",
    "bootstrap_interval",
    "clopper_pearson_interval",
    "clustered_standard_error",
    "column_sums",
    "group_sums",
    "holm",
    "is_spread",
    "mcnemar",
    "mean_standard_error",
    "minimal_detectable_effect",
    "paired_test",
    "paired_tests",
    "pseudo_values",
    "samples_needed",
    "unpaired_p",
    "wilson_interval",
]

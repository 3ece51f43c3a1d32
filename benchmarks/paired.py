"""Paired resampling: 10,000 resamples of 100,000 samples under 10 metrics at once.

Seven metrics are means of right and wrong, two of fractions, one is a ratio of sums (WER). `both`
runs the approximate randomisation as well.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `mio-eval compare` does

import numpy as np
from result import Clock, report

from mio_eval.metrics.speech import Wer
from mio_eval.stats import Pair, paired_tests

SAMPLES = 100_000
RESAMPLES = 10_000


def pairs() -> list[Pair]:
    """Make the statistics of two systems under ten metrics."""
    rng = np.random.default_rng(0)
    one = np.ones(SAMPLES)
    made = []
    for number in range(9):
        hard = rng.random(SAMPLES)
        if number < 7:
            sides = [(rng.random(SAMPLES) > hard).astype(float) for _ in range(2)]
        else:
            sides = [rng.random(SAMPLES) for _ in range(2)]
        tables = [np.column_stack([side, one]) for side in sides]
        made.append(Pair(tables[0], tables[1], lambda sums: 100 * sums[..., 0] / sums[..., 1]))
    words = rng.integers(3, 40, SAMPLES)
    counts = [
        np.column_stack([rng.binomial(words, rate) for rate in (0.03, 0.01, 0.01)] + [words])
        for _ in range(2)
    ]
    made.append(Pair(counts[0].astype(float), counts[1].astype(float), Wer().score))
    return made


def main(trials: int) -> None:
    """Test all pairs, and say how long that took."""
    made = pairs()
    clusters = [f"{i:06}" for i in range(SAMPLES)]
    clock = Clock()
    found = paired_tests(made, clusters, resamples=RESAMPLES, trials=trials)
    report(**clock.read(), metrics=len(found), p=[one.p_bootstrap for one in found])


if __name__ == "__main__":
    main(RESAMPLES if sys.argv[1:] == ["both"] else 0)

"""The 95 % intervals hold the true value 93 to 97 times in 100; docs/compare.md has more runs."""

from __future__ import annotations

import numpy as np
import pytest
from scripts_loader import load_script

from mio_eval.metrics import get_metric
from mio_eval.stats import SEED, bootstrap_interval
from mio_eval.stats.bootstrap import percentile_interval
from mio_eval.stats.draws import bootstrap_weights
from mio_eval.stats.exact import ExactColumns

simulation = load_script("scripts/interval_coverage.py")


@pytest.mark.parametrize("name", ["accuracy", "vqa", "wer", "cider"])
def test_coverage(name):
    population = getattr(simulation, name)()
    # Of 1,000 data sets the share has a standard error of 0.7 points.
    share = simulation.coverage(population, 1000, 600)
    assert 0.93 <= share <= 0.97


def test_simulated_interval_is_the_one_that_is_printed():
    """The simulation draws its weights once; `bootstrap_interval` gives the same ends."""
    population = simulation.wer()
    drawn = population.sums[:500]
    score = get_metric("wer").score
    weights = bootstrap_weights(500, 0, 1000, SEED)
    ends = percentile_interval(score(ExactColumns(drawn, 500, fixed=True).sums(weights)))
    found = bootstrap_interval(drawn, [f"{i:03}" for i in range(500)], score, resamples=1000)
    assert (found.low, found.high) == ends


def test_coverage_counts_what_it_should():
    """A population without spread is always held; one that is all outliers is not."""
    flat = simulation.Population("acc", np.ones((50, 2)), 20, "")
    assert simulation.coverage(flat, 50, 200) == 1.0
    rare = np.zeros((10_000, 2))
    rare[:, 1] = 1.0
    rare[:5, 0] = 1.0
    assert simulation.coverage(simulation.Population("acc", rare, 20, ""), 200, 200) < 0.2

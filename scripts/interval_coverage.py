"""How often the 95 % bootstrap interval holds the true value, by simulation.

Prints the table of docs/compare.md. A population of samples is made once a metric; data sets are
drawn from it, clusters whole, and the share of intervals that hold the population's score counted.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mio_eval.metrics import get_metric
from mio_eval.metrics.base import Item
from mio_eval.stats import SEED
from mio_eval.stats.bootstrap import percentile_interval
from mio_eval.stats.draws import bootstrap_weights
from mio_eval.stats.exact import ExactColumns

Array = npt.NDArray[np.float64]
CAPTIONS = Path(__file__).parents[1] / "tests" / "golden" / "captioning"


@dataclass(frozen=True)
class Population:
    """Clusters' summed statistics, (clusters, k), of a metric, and how many a data set has."""

    metric: str
    sums: Array
    drawn: int
    what: str


def accuracy() -> Population:
    """Multiple choice: 30,000 independent questions, 70 % right."""
    right = np.random.default_rng(1).random(30_000) < 0.7
    return Population("acc", np.column_stack([right, np.ones(30_000)]).astype(float), 400, "400")


def vqa() -> Population:
    """Questions in images: an image's difficulty is shared; ten annotators a question."""
    rng = np.random.default_rng(2)
    images = 20_000
    questions = rng.integers(1, 7, images)
    image = np.repeat(np.arange(images), questions)
    agreeing = rng.integers(3, 11, len(image))
    knows = rng.random(len(image)) < rng.beta(2, 1, images)[image]
    metric = get_metric("vqa_acc")
    items = [Item(str(k), "cat", ("cat",) * k + ("tree",) * (10 - k)) for k in range(11)]
    values = metric.statistics(items).values[np.where(knows, agreeing, 0)]
    return Population("vqa_acc", _by_cluster(values, image), 300, "300 images, 1,050 questions")


def wer(speakers: bool = False) -> Population:
    """Utterances with (S, D, I, N); with `speakers`, 65 utterances each share a rate."""
    rng = np.random.default_rng(3)
    groups, each = (3_000, 65) if speakers else (60_000, 1)
    rate = np.repeat(rng.beta(1.2, 24, groups), each)
    words = np.maximum(1, rng.gamma(3.0, 6.5, len(rate)).astype(int))
    wrong = rng.binomial(words, np.clip(rate * rng.gamma(1.0, 1.0, len(rate)), 0, 1))
    added = rng.binomial(words, rate / 10)
    values = np.column_stack([wrong, np.zeros(len(rate)), added, words]).astype(float)
    group = np.repeat(np.arange(groups), each)
    if speakers:
        return Population("wer", _by_cluster(values, group), 40, "40 speakers, 2,600 utterances")
    return Population("wer", values, 500, "500 utterances")


def cider() -> Population:
    """Scores of 1,000 real captions: pycocoevalcap's example results on COCO."""
    given = {str(r["image_id"]): r["caption"] for r in _captions("fakecap_results.json.gz")}
    references: dict[str, list[str]] = {}
    for row in _captions("fakecap_refs.json.gz")["annotations"]:
        references.setdefault(str(row["image_id"]), []).append(row["caption"])
    metric = get_metric("cider")
    metric.prepare([tuple(references[i]) for i in sorted(references)])
    items = [Item(i, given[i], tuple(references[i])) for i in sorted(given)]
    return Population("cider", metric.statistics(items).values, 300, "300 images")


def _captions(name: str) -> Any:
    return json.loads(gzip.decompress((CAPTIONS / name).read_bytes()))


def _by_cluster(values: Array, cluster: npt.NDArray[np.int_]) -> Array:
    sums = np.zeros((int(cluster.max()) + 1, values.shape[1]))
    np.add.at(sums, cluster, values)
    return sums


def coverage(population: Population, sets: int, resamples: int, seed: int = 0) -> float:
    """Return the share of `sets` data sets whose interval holds the population's score."""
    score = get_metric(population.metric).score
    truth = float(score(population.sums.sum(axis=0)))
    rng = np.random.default_rng(seed)
    weights = bootstrap_weights(population.drawn, 0, resamples, SEED)
    held = 0
    for _ in range(sets):
        drawn = population.sums[rng.integers(0, len(population.sums), population.drawn)]
        sums = ExactColumns(drawn, population.drawn, fixed=True).sums(weights)
        low, high = percentile_interval(score(sums))
        held += low <= truth <= high
    return held / sets


CASES: Sequence[tuple[str, Callable[[], Population]]] = (
    ("accuracy", accuracy),
    ("VQA accuracy", vqa),
    ("WER", wer),
    ("WER, clusters", lambda: wer(speakers=True)),
    ("CIDEr", cider),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=2_000)
    arguments = parser.parse_args()
    print("| metric | data set | coverage of the 95 % interval |\n|---|---|---:|")
    for name, make in CASES:
        population = make()
        share = coverage(population, arguments.sets, arguments.resamples)
        print(f"| {name} | {population.what} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()

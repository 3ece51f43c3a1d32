"""Simulates gates: does a margin catch 2 % of broken answers, and pass a re-run with another seed?

Prints the table of docs/gate.md. Statistics come from the real metrics, on made-up answers whose
re-runs disagree as often as stated; every run is judged by the real gate.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mio_eval.gating import gate
from mio_eval.load import MetricRows
from mio_eval.metrics import get_metric
from mio_eval.metrics.base import Item

BROKEN = 0.02
RUNS = 20
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """A run in memory, as the gate reads one."""

    name: str
    data: Any
    table: MetricRows

    def rows(self, task: str, metric: str) -> MetricRows:
        """Return the statistics."""
        return self.table

    def records(self, task: str) -> Iterator[Any]:
        """Yield nothing: outputs are not kept."""
        return iter(())


@dataclass(frozen=True)
class World:
    """What one metric's simulation needs: `answers(rng)` is a run, `broken` its worst answers."""

    metric: str
    clusters: list[str]
    answers: Callable[[np.random.Generator], Array]
    broken: Array


def vqa_world(n: int, disagree: float, seed: int = 0) -> World:
    """n questions, three an image; another seed changes the share `disagree` of right or wrong."""
    rng = np.random.default_rng(seed)
    metric = get_metric("vqa_acc")
    agreeing = rng.choice([4, 6, 8, 9, 10], size=n)  # annotators who gave the main answer
    shares = np.unique(agreeing)
    table = {}
    for text in ("cat", "dog", ""):
        items = [Item(str(k), text, ("cat",) * int(k) + ("tree",) * (10 - int(k))) for k in shares]
        table[text] = dict(zip(shares.tolist(), metric.statistics(items).values, strict=True))
    right, wrong, broken = (
        np.array([table[text][k] for k in agreeing.tolist()]) for text in ("cat", "dog", "")
    )
    # A share of the questions is a toss-up at each run, the others are always right or wrong.
    open_ = rng.random(n) < 2 * disagree
    knows = rng.random(n) < 0.7

    def answers(draw: np.random.Generator) -> Array:
        good = np.where(open_, draw.random(n) < 0.5, knows)
        return np.where(good[:, None], right, wrong)

    return World("vqa_acc", [f"image{i // 3}" for i in range(n)], answers, broken)


def wer_world(n: int, disagree: float, seed: int = 0) -> World:
    """n utterances of 40 speakers at about 4 % WER; `disagree`: utterances that come out new."""
    rng = np.random.default_rng(seed)
    metric = get_metric("wer", norm="none")
    vocabulary = [f"word{i}" for i in range(500)]
    lengths = np.maximum(2, rng.gamma(3.5, 6.0, n).astype(int))
    references = [list(rng.choice(vocabulary, size)) for size in lengths]

    def heard(words: list[str]) -> str:
        kinds = rng.random(len(words))
        kept = [
            "wrong" if kind < 0.025 else word
            for word, kind in zip(words, kinds, strict=True)
            if kind < 0.025 or kind > 0.04
        ]
        return " ".join(kept)

    def statistics(texts: list[str]) -> Array:
        items = [
            Item(str(i), text, (" ".join(words),))
            for i, (text, words) in enumerate(zip(texts, references, strict=True))
        ]
        return metric.statistics(items).values

    one, two = (statistics([heard(words) for words in references]) for _ in range(2))
    broken = statistics([""] * n)

    def answers(draw: np.random.Generator) -> Array:
        return np.where(draw.random(n)[:, None] < disagree, two, one)

    return World("wer", [f"speaker{i % 40}" for i in range(n)], answers, broken)


def run_of(world: World, name: str, values: Array) -> Simulated:
    """Put statistics into the form of a run."""
    metric = get_metric(world.metric)
    n = len(values)
    width = len(str(n))
    ids = tuple(f"{i:0{width}}" for i in range(n))
    rows = MetricRows(ids, tuple(world.clusters), values, tuple(metric.per_sample(values).tolist()))
    score = {
        "value": float(metric.score(values.sum(axis=0))),
        "ci_low": None,
        "ci_high": None,
        "confidence": 0.95,
        "n_expected": n,
        "n_scored": n,
        "n_failed": 0,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "signature": metric.signature(n),
        "primary": True,
    }
    facts = {
        "version": 1,
        "sha256": "",
        "output": "text",
        "metrics": {world.metric: dict(metric.settings)},
    }
    data = {
        "status": "complete",
        "tasks": {"simulated": facts},
        "data": {"simulated": {"sha256": ""}},
        "results": {"simulated": {world.metric: score}},
    }
    return Simulated(name, data, rows)


@dataclass(frozen=True)
class Outcome:
    """How many of the runs were judged rightly."""

    caught: int
    passed: int
    runs: int
    effect: float
    """What the planted fault costs, in the metric's unit."""


def simulate(world: World, margin: float, runs: int = RUNS, resamples: int = 1000) -> Outcome:
    """Gate `runs` re-runs, and as many with 2 % of their answers broken, against one baseline."""
    policy = {
        "version": 1,
        "resamples": resamples,
        "rules": [{"task": "simulated", "metric": world.metric, "margin": margin}],
    }
    before = run_of(world, "baseline", world.answers(np.random.default_rng(1)))
    metric = get_metric(world.metric)
    caught = passed = 0
    effects = []
    for seed in range(runs):
        draw = np.random.default_rng(1000 + seed)
        again = world.answers(draw)
        hit = draw.permutation(len(again))[: round(BROKEN * len(again))]
        worse = again.copy()
        worse[hit] = world.broken[hit]
        passed += gate(run_of(world, "again", again), before, policy).verdict == "GO"
        caught += gate(run_of(world, "broken", worse), before, policy).verdict == "NO-GO"
        scores = metric.score(np.stack([again.sum(axis=0), worse.sum(axis=0)]))
        effects.append(abs(float(scores[1] - scores[0])))
    return Outcome(caught, passed, runs, float(np.mean(effects)))


# (world, samples, share of answers that a re-run changes, margin in the metric's unit)
CASES: tuple[tuple[str, int, float, float], ...] = (
    ("vqa", 2_000, 0.01, 0.6),
    ("vqa", 10_000, 0.01, 0.6),
    ("vqa", 10_000, 0.10, 0.6),
    ("vqa", 30_000, 0.03, 0.6),
    ("vqa", 100_000, 0.10, 0.6),
    ("wer", 500, 0.10, 0.9),
    ("wer", 2_620, 0.10, 0.9),
    ("wer", 2_620, 0.50, 0.9),
)
WORLDS = {"vqa": vqa_world, "wer": wer_world}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    print("| metric | samples | re-run changes | 2 % broken cost | margin | caught | passed |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind, n, disagree, margin in CASES:
        found = simulate(WORLDS[kind](n, disagree), margin, resamples=arguments.resamples)
        print(
            f"| {kind} | {n:,} | {disagree:.0%} | {found.effect:.2f} | {margin} | "
            f"{found.caught}/{found.runs} | {found.passed}/{found.runs} |",
            flush=True,
        )


def samples_for(disagree: float, margin: float, chance: float = 0.001) -> int:
    """Return how many independent right-or-wrong answers keep either error below `chance`."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(1 - chance)
    return math.ceil((z * 100 * math.sqrt(disagree) / margin) ** 2)


if __name__ == "__main__":
    main()

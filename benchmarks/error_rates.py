"""WER with its interval from 10,000 resamples: mio-eval, and two ways without its statistics.

`ours` normalises, aligns and scores 2,620 utterances and resamples them. `jiwer` and `lm_eval` get
normalised texts, and the aligned counts respectively, for nothing; they do a part of the resamples,
and the caller extrapolates.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence

from data import utterances
from result import Clock, report

from mio_eval.metrics.base import Item
from mio_eval.metrics.normalizers import normalizer
from mio_eval.metrics.speech import Wer
from mio_eval.stats import bootstrap_interval, column_sums

UTTERANCES = 2_620  # LibriSpeech test-clean


def ours() -> None:
    """Statistics, score and interval; every utterance is a cluster of its own."""
    items = [Item(str(i), h, (r,)) for i, (r, h) in enumerate(utterances(UTTERANCES))]
    metric = Wer()
    metric.statistics(items[:1])  # imports jiwer and the normaliser's file
    clock = Clock()
    statistics = metric.statistics(items)
    aligned = clock.read()["seconds"]
    value = float(metric.score(column_sums(statistics.values)))
    interval = bootstrap_interval(statistics.values, [item.id for item in items], metric.score)
    report(**clock.read(), aligned=aligned, value=value, low=interval.low, high=interval.high)


def with_jiwer(resamples: int) -> None:
    """Give each resample's texts to jiwer."""
    import jiwer

    normalise = normalizer("whisper-en")
    pairs = [(normalise(r), normalise(h)) for r, h in utterances(UTTERANCES)]
    draw = random.Random(0)  # noqa: S311
    clock = Clock()
    for _ in range(resamples):
        drawn = draw.choices(pairs, k=len(pairs))
        jiwer.wer([r for r, _ in drawn], [h for _, h in drawn])
    report(**clock.read(), resamples=resamples)


def _corpus_rate(counts: Sequence[tuple[float, float]]) -> float:
    return sum(errors for errors, _ in counts) / sum(length for _, length in counts)


def with_lm_eval(resamples: int) -> None:
    """Give the utterances' counts to lm-eval's bootstrap, in one process."""
    os.environ["DISABLE_MULTIPROC"] = "1"
    from lm_eval.api.metrics import bootstrap_stderr

    items = [Item(str(i), h, (r,)) for i, (r, h) in enumerate(utterances(UTTERANCES))]
    rows = Wer().statistics(items).values
    counts = [(float(row[:3].sum()), float(row[3])) for row in rows]
    clock = Clock()
    bootstrap_stderr(_corpus_rate, counts, resamples)
    report(**clock.read(), resamples=resamples)


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        ours()
    else:
        {"jiwer": with_jiwer, "lm_eval": with_lm_eval}[sys.argv[1]](int(sys.argv[2]))

"""Runs mio-eval's engine over N samples with a model that answers at once; prints one JSON line.

The whole of `evaluate` is measured: reading the data, hashing each sample's file, requests and
their keys, the response cache, the journal, WER of every sample, its interval, and run.json.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from result import Clock, report

from mio_eval.engine import Options, evaluate
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import Capability, Part, Request, Text


class Instant(Backend):
    """Answers everything with the same words."""

    name = "instant"
    capabilities = frozenset({Capability(frozenset({"audio"}), "text")})

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def answer(self, request: Request) -> Part:
        return Text("it is all the same to this model")


def main(folder: Path, runs: Path) -> None:
    """Measure one run over the utterances that `data.write_librispeech` put in a folder."""
    os.environ["MIO_EVAL_TASKS"] = str(Path(__file__).parent / "tasks")
    options = Options(
        tasks=("bench_speech",),
        model="engine_ours:Instant",
        data="local",
        data_dir=str(folder),
        out=str(runs),
    )
    clock = Clock()
    result = evaluate(options)
    times = clock.read()
    count = result.scores["bench_speech"]["wer"]["n_scored"]
    report(**times, n=count, **result.data["timings"]["bench_speech"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

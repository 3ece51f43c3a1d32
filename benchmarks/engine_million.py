"""Runs mio-eval's engine over very many samples with a model that answers at once.

`whole` measures a run from start to end, `resume` the same run gone on with after it was killed at
the end of generation: until the journal is read and checked against the data, and to the end.
Prints one JSON line. Each sound is a few bytes of its own made in memory, so that a million files
need not be written: they are hashed, never decoded.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from result import Clock, peak_mb, report

from mio_eval.data import librispeech
from mio_eval.engine import Options, evaluate
from mio_eval.engine.progress import Silent
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import Audio, Capability, Part, Request, Sample, Text

_read = librispeech.read


def read(root: Path, split: str) -> Iterator[Sample]:
    """Yield the utterances, each with a sound in memory."""
    for one in _read(root, split):
        sound = Audio(load=one.id.encode, name=one.id)
        yield Sample(one.id, {"audio": sound}, one.references, one.cluster, one.meta)


class Blind(Backend):
    """Answers everything with the same words, without a look at the sound."""

    name = "blind"
    capabilities = frozenset({Capability(frozenset({"audio"}), "text")})

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def answer(self, request: Request) -> Part:
        return Text("it is all the same to this model")


class Watch(Silent):
    """Notes memory and time at the course's events."""

    def __init__(self) -> None:
        self.start_mb = peak_mb()
        self.begun = time.perf_counter()
        self.seen: dict[str, Any] = {}

    def event(self, name: str, /, **facts: Any) -> None:
        if name in ("generated", "finished"):
            self.seen[f"{name}_mb"] = peak_mb() - self.start_mb
            self.seen[f"{name}_seconds"] = time.perf_counter() - self.begun


def main(mode: str, folder: Path, runs: Path) -> None:
    """Measure one run."""
    os.environ["MIO_EVAL_TASKS"] = str(Path(__file__).parent / "tasks")
    if mode == "resume":
        (path,) = runs.glob("*/run.json")
        data = json.loads(path.read_bytes())
        path.write_text(json.dumps({**data, "status": "running", "results": {}, "data": {}}))
    import mio_eval.engine.score  # noqa: F401  # its imports are no part of what a sample takes

    librispeech.read = read
    watch = Watch()
    clock = Clock()
    result = evaluate(
        Options(
            tasks=("bench_speech",),
            model="engine_million:Blind",
            data="local",
            data_dir=str(folder),
            out=str(runs),
            cache=False,
        ),
        watch,
    )
    times = clock.read()
    journal = result.path / result.data["tasks"]["bench_speech"]["directory"] / "samples.jsonl"
    count = result.scores["bench_speech"]["wer"]["n_scored"]
    report(
        **times,
        **watch.seen,
        n=count,
        bytes_per_sample=journal.stat().st_size / count,
        start_mb=watch.start_mb,
        timings=result.data["timings"]["bench_speech"],
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

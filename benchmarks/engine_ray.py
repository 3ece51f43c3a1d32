"""Ray workers on this machine with a model that takes processor time; prints one JSON line.

`compute` runs requests of a fixed amount of arithmetic on N workers; `empty` requests that take
nothing, so that what is left is the engine's own time a request.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from result import report

from mio_eval.engine.engines import make_engine
from mio_eval.engine.options import Options
from mio_eval.engine.progress import Silent
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import Capability, Part, Request, Text

STEPS = {"compute": 1_200_000, "empty": 0}
COUNT = {"compute": 240, "empty": 5_000}


class Adder(Backend):
    """Adds numbers in Python, as many as it is told."""

    name = "adder"
    capabilities = frozenset({Capability(frozenset({"text"}), "text")})

    def __init__(self, steps: str) -> None:
        self.steps = int(steps)

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def answer(self, request: Request) -> Part:
        return Text(str(sum(range(self.steps))))


def main(mode: str, workers: int) -> None:
    """Measure one pass; starting Ray and the workers is left out."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    steps = str(STEPS[mode])
    options = Options(
        ("bench",),
        model="engine_ray:Adder",
        model_args={"steps": steps},
        engine="ray",
        workers=workers,
        batch_size=8,
    )
    engine = make_engine(options, Adder(steps), Silent())
    engine.load(("text",), "text")
    requests = [Request(str(i), (Text("add"),), "text") for i in range(COUNT[mode] + 16)]
    list(engine.run(requests[:16]))  # warm: what is imported at the first request is
    engine.load(("text",), "text")
    start = time.perf_counter()
    answered = sum(r.failure is None for responses in engine.run(requests[16:]) for r in responses)
    seconds = time.perf_counter() - start
    share = engine.meter.share(workers)
    engine.close()
    ray.shutdown()
    report(seconds=seconds, n=answered, busy_share=share, per_request=seconds / answered)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1], int(sys.argv[2]))

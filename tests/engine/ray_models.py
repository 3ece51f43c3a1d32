"""Models for workers in other processes, named on the command line as engine.ray_models:…"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from engine.backends_for_tests import Counting, answer_of

from mio_eval.types import Part, Request, Text


class Mortal(Counting):
    """Kills its own process: over the sample `poison` always, over the sample `once` once."""

    name = "counting"  # the same identity as Counting: the same answers are expected

    def answer(self, request: Request) -> Part:
        self.started(request)
        time.sleep(self._delay)
        mark = Path(self.rest.get("mark", "/nonexistent"))
        once = request.sample_id == self.rest.get("once") and not mark.exists()
        if once:
            mark.touch()
        if once or request.sample_id == self.rest.get("poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Text(answer_of(request))

"""How a measuring process keeps time and reports: one JSON line, with its own peak memory."""

from __future__ import annotations

import json
import os
import resource
import time
from typing import Any


class Clock:
    """Counts wall and processor time from its making; children that ended count too."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def read(self) -> dict[str, float]:
        """Return the seconds passed."""
        return {"seconds": time.perf_counter() - self._wall, "cpu": _cpu() - self._cpu}


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def report(**values: Any) -> None:
    """Print the result."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in kB
    print(json.dumps({**values, "maxrss_mb": peak}))

"""How a measuring process keeps time and reports: one JSON line, with its own peak memory."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
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
    print(json.dumps({**values, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Return the most memory this process ever held (on Linux).

    Not `ru_maxrss`, which counts the process that started this one too.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status states no VmHWM")

"""Runs a command in its own process: its result, its wall time and its peak memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
_POLL_SECONDS = 0.05
_PACKAGES = ("mio-eval", "numpy", "jiwer", "pycocoevalcap", "lm_eval", "torch", "transformers")


@dataclass(frozen=True)
class Measured:
    """What one process did."""

    result: dict[str, Any]
    """The JSON object on the last line it printed, if it printed one."""
    seconds: float
    peak_mb: float
    """Most resident memory of the process and its children together."""


def run(*command: str, env: dict[str, str] | None = None) -> Measured:
    """Run a command to its end. Stops the program when it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=HERE, env={**os.environ, **(env or {})}
        )
        peak = _watch(process)
        seconds = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if process.returncode:
            text = out.read() + err.read()
            raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
        lines = out.read().splitlines()
    result: dict[str, Any] = {}
    if lines and lines[-1].startswith("{"):
        result = json.loads(lines[-1])
    return Measured(result, seconds, max(peak, result.get("peak_mb", 0.0)))


def script(name: str, *arguments: str, env: dict[str, str] | None = None) -> Measured:
    """Run a script of this folder."""
    return run(sys.executable, str(HERE / name), *arguments, env=env)


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; return the most memory that it and its children held together, in MB."""
    peak = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            family = [watched, *watched.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family))
        time.sleep(_POLL_SECONDS)
    return peak / 2**20


def time_command(*command: str) -> tuple[float, float]:
    """Return wall and processor time of a command in seconds, without watching its memory."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, cwd=HERE)
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return seconds, cpu - before.children_user - before.children_system


def machine() -> dict[str, Any]:
    """Name the processor, the cores and the versions that the numbers depend on."""
    packages = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "java": _java(),
        "packages": packages,
        "load": os.getloadavg()[0],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _java() -> str:
    try:
        done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return done.stderr.splitlines()[0]

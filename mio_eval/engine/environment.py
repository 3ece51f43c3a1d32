"""What a run was made with: package versions, git commit, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__
from ..types import Json

PACKAGES = (
    *("numpy", "jiwer", "rapidfuzz", "pydantic", "transformers", "torch", "faster-whisper"),
    *("ctranslate2", "pillow", "soundfile", "soxr", "datasets", "pycocoevalcap"),
)


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that can change a number."""
    found = {"mio-eval": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state() -> Json:
    """Return commit and dirty flag of the checkout mio-eval runs from, or None outside one."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return None
    try:
        commit = _git(top, "rev-parse", "HEAD")
        dirty = bool(_git(top, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return result.stdout.strip()


def hardware() -> Json:
    """Return the processor, cores, memory and, if torch is already loaded, the accelerator."""
    facts: dict[str, Json] = {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["accelerators"] = [
            torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
        ]
    return facts


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()

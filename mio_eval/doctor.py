"""Finds out what this machine can run, without loading a model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from .data.sources import default_data_dir, has_local, has_sample
from .engine.environment import git_state, hardware, package_versions
from .errors import MioEvalError
from .metrics import get_metric
from .models import model_names
from .models.starter.assets import ASSETS, check
from .paths import cache_dir
from .shipped import shipped
from .tasks import Task, get_task
from .tasks.registry import task_paths

EXTRAS = {
    "image": ("PIL",),
    "speech": ("soundfile", "soxr", "transformers"),
    "hub": ("datasets",),
    "caption": ("pycocoevalcap",),
    "image-metrics": ("PIL", "skimage"),
    "clip": ("PIL", "torch", "torchvision", "open_clip", "transformers"),
    "video": ("PIL", "av", "scenedetect", "soxr"),
    "text": ("lm_eval",),
    "starter": (
        *("faster_whisper", "gguf", "hibari", "torch", "PIL", "soundfile", "soxr"),
        "transformers",
    ),
    "hf": (
        *("PIL", "av", "soundfile", "soxr", "accelerate", "diffusers", "num2words", "peft"),
        *("sentencepiece", "torch", "torchvision", "transformers"),
    ),
    "openai": ("httpx", "PIL", "soundfile", "soxr"),
    "ray": ("ray",),
}


def diagnose(data_dir: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield sections: a title and its lines."""
    folder = Path(data_dir) if data_dir else default_data_dir()
    versions = package_versions()
    yield "versions", [f"{name} {version}" for name, version in versions.items()]
    git = git_state()
    if git:
        yield "checkout", [f"{git['commit'][:12]}{' with changes' if git['dirty'] else ''}"]
    facts = hardware()
    yield (
        "machine",
        [
            f"{facts['processor'] or facts['machine']}, {facts['cores']} cores",
            accelerator(),
            java(),
        ],
    )
    yield (
        "extras",
        [
            f"{name}: {'installed' if not missing else 'missing ' + ', '.join(missing)}"
            + (f" (pip install 'mio-eval[{name}]')" if missing else "")
            for name, modules in EXTRAS.items()
            for missing in [[m for m in modules if find_spec(m) is None]]
        ],
    )
    cache = cache_dir()
    yield "caches", [f"{cache} ({_size(cache)})", *_assets(cache)]
    yield "models", model_names()
    yield "tasks", [line for name in sorted(task_paths()) for line in _task_lines(name, folder)]
    yield "files", [f"tasks: {shipped('tasks')}", f"data: {folder}"]


def accelerator() -> str:
    """Name the accelerator that torch sees, without importing torch where there can be none."""
    if shutil.which("nvidia-smi"):
        try:
            result = subprocess.run(
                ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"accelerator: nvidia-smi failed ({error})"
        return f"accelerator: {'; '.join(result.stdout.split(chr(10))).strip('; ')}"
    if sys.platform == "darwin" and find_spec("torch"):
        return "accelerator: Apple GPU through MPS, if this Mac has one"
    return "accelerator: none found"


def java() -> str:
    """Name the Java runtime, which only METEOR, SPICE and tokenizer=java need."""
    path = shutil.which("java")
    if path is None:
        return "Java: not found (only METEOR, SPICE and tokenizer=java need it)"
    try:
        result = subprocess.run(
            ["java", "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"Java: {path} does not run ({error})"
    return f"Java: {result.stderr.splitlines()[0]}"


def _assets(cache: Path) -> list[str]:
    lines = []
    for name, asset in ASSETS.items():
        folder = cache / "assets" / asset.folder
        state = (
            "fetched"
            if check(asset, folder) is None
            else f"fetched on first use, {asset.size_mb:g} MB"
        )
        lines.append(f"{name}: {state}")
    return lines


def _task_lines(name: str, folder: Path) -> list[str]:
    try:
        task = get_task(name)
    except MioEvalError as error:
        return [f"{name}: {error}"]
    places = [
        "on disk" if has_local(task, folder) else "",
        "bundled sample" if has_sample(task) else "",
        "hub" if task.file.dataset.hub else "",
    ]
    found = ", ".join(filter(None, places))
    lines = [f"{name}: data {found or f'not here; see mio-eval tasks show {name}'}"]
    lines += [f"  {metric} absent: {reason}" for metric, reason in _absent(task)]
    return lines


def _absent(task: Task) -> Iterator[tuple[str, str]]:
    for name in task.file.metrics:
        try:
            reason = get_metric(name, **task.file.metric_options.get(name, {})).unavailable()
        except MioEvalError as error:
            reason = str(error)
        if reason:
            yield name, reason


def _size(folder: Path) -> str:
    if not folder.is_dir():
        return "empty"
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{total / 1e6:.0f} MB"

"""A small world to run in: data, tasks without slow metrics, and both ways to start a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.engine.progress import Progress
from mio_eval.metrics import METRICS
from mio_eval.metrics.base import Array, Item, Metric, Statistics, mean_score

TESTS = Path(__file__).parents[1]
SHIPPED = TESTS.parent / "tasks"
# Ctrl-C must work although a test runner may have been started with it ignored.
LAUNCHER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
{}
from mio_eval.cli import main
main()
"""


def write_task(folder: Path, source: str, name: str, **changes: object) -> None:
    """Write a task file like a shipped one, with other top-level fields."""
    data = yaml.safe_load((SHIPPED / f"{source}.yaml").read_text(encoding="utf-8"))
    data.pop("published", None)
    data.update(name=name, metric_options={}, **changes)
    data["primary"] = data["metrics"][0]
    for split in data["dataset"]["splits"].values():
        split["expected"] = 12
    if data["metrics"] == ["wer", "cer"]:
        data["metric_options"] = {"wer": {"norm": "none"}, "cer": {"norm": "none"}}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


class Present(Metric):
    """Share of samples with an output: the least one can say of a picture or a sound."""

    name, title, unit = "present", "Present", ""
    higher_is_better = True
    range = (0.0, 1.0)
    columns = ("present", "count")
    outputs = ("image", "audio")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        return Statistics(np.ones((len(items), 2)))

    def score(self, sums: Array) -> Array:
        return mean_score(sums)


@dataclass
class World:
    """Where a test's runs live, and how they are started."""

    root: Path
    data: Path

    @property
    def out(self) -> Path:
        return self.root / "runs"

    @property
    def log(self) -> Path:
        return self.root / "started.txt"

    @property
    def tasks(self) -> Path:
        return self.root / "tasks"

    def started(self) -> list[str]:
        """Ids of the requests that any backend started, in order."""
        return self.log.read_text().split() if self.log.exists() else []

    def runs(self) -> list[Path]:
        """The run directories, oldest first."""
        return sorted((path.parent for path in self.out.glob("*/run.json")), key=_made)

    def evaluate(
        self,
        model: str = "Counting",
        tasks: tuple[str, ...] = ("captions",),
        progress: Progress | None = None,
        model_args: dict[str, object] | None = None,
        **options: Any,
    ) -> RunResult:
        """Run in this process."""
        arguments = {"log": self.log, **(model_args or {})}
        return evaluate(
            Options(
                tasks=tasks,
                model=f"engine.backends_for_tests:{model}",
                model_args={name: str(value) for name, value in arguments.items()},
                **{"data_dir": str(self.data), "out": str(self.out), **options},
            ),
            progress,
        )

    def command(
        self,
        *extra: str,
        model: str = "Counting",
        tasks: str = "captions,speech",
        model_args: str = "",
    ) -> list[str]:
        """The arguments of a run on the command line."""
        arguments = f"log={self.log}{',' if model_args else ''}{model_args}"
        return [
            *("run", "--model", f"engine.backends_for_tests:{model}", "--model-args", arguments),
            *("--tasks", tasks, "--data-dir", str(self.data), "--out", str(self.out), *extra),
        ]

    def spawn(self, arguments: list[str], before: str = "") -> subprocess.Popen[str]:
        """Start the command line in its own process; `before` is code to run first."""
        path = filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-c", LAUNCHER.format(before), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        )

    def call(self, arguments: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        process = self.spawn(arguments, before)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def script(self, behaviours: dict[str, str]) -> dict[str, object]:
        """Model arguments for a Scripted backend."""
        path = self.root / "script.json"
        path.write_text(json.dumps(behaviours))
        return {"script": path}


def _made(path: Path) -> tuple[str, int]:
    """Order run directories by start, also within one second."""
    return path.name[:15], (path / ".lock").stat().st_ctime_ns


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60
) -> None:
    """Wait until something is so, or the process has ended."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


def records_of(run: Path, task: str = "captions", file: str = "samples.jsonl") -> dict[str, Any]:
    """The whole lines of a task's file by id."""
    path = run / task / file
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return {record["id"]: record for record in map(json.loads, lines)}


def finished_in(run: Path, *tasks: str) -> set[str]:
    """Ids whose response a run's journals hold."""
    return {
        name
        for task in tasks or ("captions", "speech")
        for name, record in records_of(run, task).items()
        if record["status"] == "ok"
    }


def read_run(run: Path) -> Any:
    """A run's run.json."""
    return json.loads((run / "run.json").read_bytes())


def results_bytes(run: Path) -> str:
    """A run's results, as they are written."""
    return json.dumps(read_run(run)["results"])


def make_world(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Write the tasks `captions`, `speech`, `drawings` and `sounds`."""
    world = World(root, data)
    metrics = ["cider", "bleu4", "rouge_l"]
    write_task(world.tasks, "coco_caption", "captions", metrics=metrics)
    write_task(world.tasks, "librispeech", "speech", metrics=["wer", "cer"])
    monkeypatch.setitem(sys.modules, "mio_eval.metrics.present_in_tests", sys.modules[__name__])
    monkeypatch.setitem(METRICS, "present", "present_in_tests:Present")
    write_task(world.tasks, "coco_caption", "drawings", metrics=["present"], output="image")
    write_task(world.tasks, "coco_caption", "sounds", metrics=["present"], output="audio")
    monkeypatch.setenv("MIO_EVAL_TASKS", str(world.tasks))
    return world

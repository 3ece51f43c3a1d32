"""The example package, built and installed as a user would, is found and runs to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
pytest.importorskip("PIL")
EXAMPLE = Path(__file__).parents[2] / "examples" / "mio-eval-plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder the package was installed into, without a network."""
    target = tmp_path_factory.mktemp("plugin")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*command, *options, str(EXAMPLE)], check=True, timeout=120)
    return target


def call(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(installed), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "mio_eval", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        timeout=120,
        check=False,
    )


def test_the_plugin_runs_and_its_run_verifies(installed: Path, tmp_path: Path) -> None:
    ran = call(
        installed,
        tmp_path,
        *("run", "--model", "mean-colour", "--model-args", "shades=3", "--data", "sample"),
        *("--tasks", "colour_captions", "--set", "word_overlap.words=all"),
    )
    assert ran.returncode == 0, ran.stderr
    (run,) = (tmp_path / "results" / "runs").glob("2*")
    data = json.loads((run / "run.json").read_bytes())
    score = data["results"]["colour_captions"]["word_overlap"]
    assert score["n_scored"] == score["n_expected"] > 5
    assert score["signature"].startswith("word_overlap|words:all|")
    assert data["model"]["extra"] == {"shades": 3}
    stats = [json.loads(line) for line in (run / "colour_captions/stats.jsonl").open()]
    shares = [line["stats"]["word_overlap"][0] for line in stats]
    assert score["value"] == pytest.approx(100 * sum(shares) / len(shares))
    assert len({r["output"]["text"] for r in _samples(run)}) > 1
    verified = call(installed, tmp_path, "verify", str(run))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _samples(run: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in (run / "colour_captions/samples.jsonl").open()]


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    ran = call(tmp_path, tmp_path, "run", "--model", "mean-colour", "--tasks", "colour_captions")
    assert ran.returncode == 2
    assert "colour_captions" in ran.stderr or "mean-colour" in ran.stderr

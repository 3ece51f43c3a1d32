"""The CI examples: their shell steps run, pass a good model and stop a broken one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from conftest import write_jsonl

from mio_eval.data.sources import open_source
from mio_eval.gating.policy import read_policy
from mio_eval.tasks import get_task

CI = Path(__file__).parents[2] / "examples" / "ci"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository with predictions of all bundled samples of the two tasks."""
    folder = tmp_path / "repository"
    folder.mkdir()
    lines = []
    for name in ("librispeech", "vqav2"):
        for sample in open_source(get_task(name), "sample", None):
            lines.append({"id": sample.id, "text": sample.references[0]})
    good = write_jsonl(folder / "good.jsonl", lines)
    write_jsonl(folder / "bad.jsonl", [line | {"text": "no idea at all"} for line in lines])
    (folder / "gate.yaml").write_text((CI / "gate.yaml").read_text())
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}/usr/bin{os.pathsep}/bin")
    run(
        folder,
        "mio-eval run --tasks librispeech,vqav2 --model predictions "
        f"--model-args path={good.name} --data sample --out first",
    )
    run(folder, "mio-eval gate baseline first/*/ -o baseline.json")
    return folder


def run(folder, script, **variables):
    """Run a step as GitHub does, with bash -e, and return how it ended."""
    ended = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in ended.stderr
    return ended


def steps():
    """The workflow's environment and shell steps by name."""
    workflow = yaml.safe_load((CI / "mio-eval-gate.yml").read_text())
    assert workflow[True] == "pull_request"  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    return workflow["env"], {s["name"]: s["run"] for s in job["steps"] if "run" in s}


@pytest.mark.parametrize(("model", "code", "verdict"), [("good", 0, "GO"), ("bad", 1, "NO-GO")])
def test_workflow(place, model, code, verdict):
    environment, shell = steps()
    assert set(shell) == {"Install", "Evaluate", "Gate"}
    assert environment["MODEL"] == "starter"
    variables = {
        **environment,
        "MODEL": "predictions",  # in the starter's place, which fetches its weights
        "MODEL_ARGS": f"path={model}.jsonl",
        "POLICY": "gate.yaml",
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
    }
    assert run(place, shell["Evaluate"], **variables).returncode == 0
    ended = run(place, shell["Gate"], **variables)
    assert ended.returncode == code, ended
    assert json.loads((place / "gate.json").read_text())["verdict"] == verdict
    assert f"mio-eval gate: {verdict}" in (place / "summary.md").read_text()
    root = ET.parse(place / "gate.xml").getroot()  # noqa: S314
    assert root.get("tests") == "3"
    assert (root.get("failures") == "0") == (code == 0)


def test_install_step_names_an_extra_that_exists():
    import tomllib

    _, shell = steps()
    project = tomllib.loads((CI.parents[1] / "pyproject.toml").read_text())["project"]
    (name,) = [w for w in shlex.split(shell["Install"]) if w.startswith(project["name"])]
    assert name.partition("[")[2].rstrip("]") in project["optional-dependencies"]


@pytest.mark.parametrize(("model", "code"), [("good", 0), ("bad", 1)])
def test_pre_commit(place, model, code):
    config = yaml.safe_load((CI / "pre-commit-config.yaml").read_text())
    (hook,) = config["repos"][0]["hooks"]
    assert hook["pass_filenames"] is False
    assert hook["language"] == "system"
    (place / f"{model}.jsonl").rename(place / "predictions.jsonl")
    ended = run(place, hook["entry"])
    assert ended.returncode == code, ended


def test_policy_reads():
    assert {rule.tier for rule in read_policy(CI / "gate.yaml").rules} == {"critical", "supporting"}

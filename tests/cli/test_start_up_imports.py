"""Commands that list or help load no heavy library, which is what keeps them instant."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from loaded_modules import loaded

HEAVY = {
    *("torch", "transformers", "pandas", "scipy", "datasets", "PIL", "soundfile", "numpy"),
    *("huggingface_hub", "jiwer", "soxr", "faster_whisper", "pyarrow", "matplotlib"),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["tasks", "ls"],
        ["tasks", "show", "librispeech"],
        ["models", "ls"],
        ["models", "show", "predictions"],
        ["data", "ls"],
    ],
    ids=" ".join,
)
def test_no_heavy_library(arguments):
    modules = loaded(*arguments)
    assert "mio_eval" in modules
    assert not modules & HEAVY


def test_help_needs_no_task_machinery():
    assert not loaded("--help") & {"yaml", "jinja2"}


def test_report_and_verify_load_no_torch(finished_run):
    for command in ("report", "verify"):
        heavy = loaded(command, str(finished_run)) & HEAVY
        assert not heavy - {"numpy", "jiwer"}, command


def test_compare_gate_and_power_load_no_torch(finished_run, tmp_path):
    policy = tmp_path / "policy.yaml"
    rule = {"task": "librispeech", "metric": "wer", "margin": 1}
    policy.write_text(json.dumps({"version": 1, "rules": [rule]}))
    for arguments in (
        ["compare", finished_run, finished_run],
        ["gate", finished_run, "--baseline", finished_run, "--policy", policy],
        ["gate", "init", finished_run],
        ["power", finished_run, "--task", "librispeech", "--metric", "wer"],
    ):
        heavy = loaded(*map(str, arguments)) & HEAVY
        assert not heavy - {"numpy", "jiwer"}, arguments


def test_import_of_the_package_loads_nothing():
    program = "import sys, mio_eval; dir(mio_eval); print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = {name.partition(".")[0] for name in ended.stdout.split()}
    assert not modules & {*HEAVY, "typer", "yaml", "pydantic"}

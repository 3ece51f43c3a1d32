"""Exit codes of every command: 0 done, 2 usage, 4 failed or incomplete; never 1 for an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import write_jsonl


def test_done(invoke, data_dir, finished_run, transcripts, tmp_path):
    wanted = write_jsonl(
        tmp_path / "r.jsonl",
        [
            {"id": json.loads(line)["id"], "references": ["one two three"]}
            for line in transcripts.read_text().splitlines()
        ],
    )
    for arguments in (
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["tasks", "ls"],
        ["tasks", "show", "coco_caption"],
        ["models", "ls"],
        ["models", "show", "starter"],
        ["data", "ls"],
        ["data", "show", "coco_caption", "--data-dir", data_dir],
        ["data", "check", "librispeech", "--data", "sample"],
        ["metric", "wer", "--predictions", transcripts, "--references", wanted],
        ["score", finished_run],
        ["score", finished_run, "--set", "wer.norm=none"],
        ["verify", finished_run],
        ["report", finished_run],
        ["report", finished_run, finished_run, "--format", "markdown"],
        ["doctor"],
    ):
        ended = invoke(*arguments)
        assert ended.code == 0, (arguments, ended)


def test_usage(invoke):
    for arguments in (
        [],  # the help, as an error: nothing was asked for
        ["nothing"],
        ["run"],
        ["run", "--tasks", "nothing"],
        ["tasks", "show", "nothing"],
        ["tasks", "show"],
        ["models", "show", "nothing"],
        ["data", "show", "nothing"],
        ["data", "check", "librispeech"],
        ["metric", "nothing", "--predictions", "p", "--references", "r"],
        ["score", "nothing"],
        ["verify", "nothing"],
        ["report", "nothing"],
        ["report"],
        ["doctor", "--nothing"],
    ):
        ended = invoke(*arguments)
        assert ended.code == 2, (arguments, ended)


def test_failed_or_incomplete(invoke, data_dir, transcripts, tmp_path):
    half = tmp_path / "half.jsonl"
    half.write_text("".join(transcripts.read_text().splitlines(keepends=True)[:6]))
    wanted = write_jsonl(
        tmp_path / "r.jsonl",
        [
            {"id": json.loads(line)["id"], "references": ["one two three"]}
            for line in transcripts.read_text().splitlines()
        ],
    )
    ended = invoke(
        *("run", "--tasks", "librispeech", "--data-dir", data_dir, "--model", "predictions"),
        *("--model-args", f"path={half}", "--allow-partial", "--out", "runs"),
    )
    assert ended.code == 4
    (run,) = (path.parent for path in Path("runs").glob("*/run.json"))
    assert (run / "report.md").is_file()  # the results are written all the same
    for arguments, code in (
        (["score", run], 4),
        (["verify", run], 0),  # what is there does follow from its files
        (["report", run], 0),
        (["data", "check", "librispeech", "--data-dir", data_dir], 4),
        (
            ["metric", "wer", "--predictions", half, "--references", wanted, "--allow-partial"],
            4,
        ),
    ):
        assert invoke(*arguments).code == code, arguments
    (run / "librispeech" / "samples.jsonl").write_text("")
    ended = invoke("verify", run)
    assert ended.code == 4
    assert "DIFFERS" in ended.out
    assert "problem" in ended.out.splitlines()[-1]


def test_error_of_the_machine_is_no_usage_error(invoke, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", "report.md")

    monkeypatch.setattr("mio_eval.doctor.diagnose", lambda folder: full(None, None))
    ended = invoke("doctor")
    assert (ended.code, ended.err) == (4, "mio-eval: report.md: No space left on device\n")


def test_interrupt(invoke, monkeypatch):
    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("mio_eval.doctor.diagnose", interrupted)
    ended = invoke("doctor")
    assert (ended.code, ended.err) == (4, "mio-eval: stopped\n")


@pytest.mark.parametrize("arguments", [["tasks", "ls"], ["--version"]])
def test_reader_that_goes_away(arguments, tmp_path):
    """`mio-eval … | head -1` ends without a traceback."""
    import os
    import subprocess
    import sys

    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "mio_eval", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        cwd=tmp_path,
        text=True,
    )
    os.close(writing)
    assert "Traceback" not in ended.stderr
    assert "internal error" not in ended.stderr
    assert ended.returncode == 0

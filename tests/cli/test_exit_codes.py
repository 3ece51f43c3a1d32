"""Exit codes: 0 done, 1 regression, 2 usage, 3 incomparable, 4 failed or incomplete.

The cases stand in `exit_code_table`.
"""

from __future__ import annotations

import shlex

import pytest
from cli.exit_code_table import World, add_baselines, cases, make_world

from mio_eval.cli import app as program


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("world")
        patch.setenv("PATH", str(folder))  # no Java
        patch.delenv("MIO_EVAL_TASKS", raising=False)
        made = make_world(folder)
        add_baselines(made)
        return made


@pytest.mark.parametrize(("code", "arguments"), cases())
def test_exit_code(invoke, world, tmp_path, code, arguments):
    out = tmp_path / "out"
    out.mkdir()
    filled = [part.format(out=out, **world.paths) for part in shlex.split(arguments)]
    ended = invoke(*filled)
    assert ended.code == code, ended
    if code == 2:
        assert ended.message, "an error says what is wrong"


def test_every_command_is_in_the_table(invoke):
    """A new command adds its lines to the table."""
    invoke("--version")  # registers the commands
    names = [info.name for info in program.app.registered_commands]
    names += [info.name for info in program.app.registered_groups]
    assert len(names) > 10
    given = {(code, arguments.partition(" ")[0]) for code, arguments in cases()}
    for name in names:
        for code in (0, 2):
            assert (code, name) in given, f"{name}: no case with exit code {code}"


def test_all_codes_are_reached():
    assert {code for code, _ in cases()} == {0, 1, 2, 3, 4}


def test_results_of_a_failed_run_are_written(world):
    assert (world.paths["failed"] / "run.json").is_file()


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

"""A mistyped name or value: the message says what was given, what was expected, exit code 2."""

from __future__ import annotations

import pytest

PREDICTIONS = ("run", "--tasks", "librispeech", "--model", "predictions")

NAMES = {
    "command": (["rn"], "No such command 'rn'. Did you mean 'run'"),
    "command, nothing near": (["zzz"], "No such command 'zzz'; known: run, metric, score"),
    "subcommand": (["tasks", "lst"], "Did you mean 'ls'?; see mio-eval tasks --help"),
    "option": (
        ["run", "--taks", "x"],
        "No such option: --taks (Possible options: --data, --tasks",
    ),
    "task": (
        ["run", "--tasks", "coco"],
        "unknown task 'coco'; did you mean coco_t2i or coco_caption?",
    ),
    "task, nothing near": (
        ["tasks", "show", "xyz"],
        "unknown task 'xyz'; known: ",
    ),
    "split": (
        ["run", "--tasks", "librispeech:test-clena"],
        "unknown split of librispeech 'test-clena'; did you mean test-clean",
    ),
    "model": (
        ["run", "--tasks", "librispeech", "--model", "prediction"],
        "unknown model 'prediction'; did you mean predictions?",
    ),
    "model shown": (["models", "show", "startr"], "unknown model 'startr'; did you mean starter?"),
    "model class": (
        ["run", "--tasks", "librispeech", "--model", "no_such_module:Model"],
        "model 'no_such_module:Model': No module named 'no_such_module'; give module:Class",
    ),
    "prompt style": (
        ["run", "--tasks", "librispeech", "--prompt-style", "mio-instuct"],
        "unknown prompt style for task librispeech 'mio-instuct'; did you mean mio-instruct",
    ),
    "metric": (
        ["metric", "cidr", "--predictions", "p", "--references", "r"],
        "unknown metric 'cidr'; did you mean cider or kid or fid?",
    ),
    "metric setting": (
        ["metric", "wer", "--predictions", "p", "--references", "r", "--set", "norn=none"],
        "unknown option of metric wer 'norn'; did you mean norm?",
    ),
    "metric setting's value": (
        ["metric", "wer", "--predictions", "p", "--references", "r", "--set", "norm=whisper"],
        "unknown norm of metric wer 'whisper'; did you mean whisper-en",
    ),
    "setting of a run": (
        ["run", "--tasks", "librispeech", "--set", "nrm=none"],
        "unknown metric setting 'nrm'; did you mean norm?",
    ),
    "metric of a setting": (
        ["run", "--tasks", "librispeech", "--set", "wre.norm=none"],
        "unknown metric 'wre'; did you mean wer",
    ),
    "argument of a model": (
        [*PREDICTIONS, "--model-args", "pth=x.jsonl"],
        "unknown argument of model predictions 'pth'; did you mean path?",
    ),
    "data": (["run", "--tasks", "librispeech", "--data", "hubb"], "unknown --data 'hubb'"),
    "data checked": (["data", "check", "librispeech", "--data", "smple"], "did you mean sample?"),
}

VALUES = {
    "no task": (["run"], "run needs --tasks, for example --tasks coco_caption,librispeech"),
    "limit": (["run", "--tasks", "librispeech", "--limit", "0"], "--limit 0: expected a number"),
    "limit, no number": (["run", "--limit", "many"], "Invalid value for '--limit'"),
    "batch size": (
        ["run", "--tasks", "librispeech", "--batch-size", "0"],
        "--batch-size 0: expected a number from 1 up",
    ),
    "timeout": (
        ["run", "--tasks", "librispeech", "--timeout", "0"],
        "--timeout 0: expected seconds above 0",
    ),
    "failures": (
        ["run", "--tasks", "librispeech", "--max-failures", "some"],
        "--max-failures 'some': expected a count or a share such as 2%",
    ),
    "failures below zero": (
        ["run", "--tasks", "librispeech", "--max-failures", "-1"],
        "--max-failures '-1': expected 0 or more",
    ),
    "failures above all": (
        ["run", "--tasks", "librispeech", "--max-failures", "101%"],
        "--max-failures '101%': expected 0 or more, at most 100%",
    ),
    "setting": (
        ["run", "--tasks", "librispeech", "--set", "norm"],
        "--set 'norm': expected key=value or metric.key=value",
    ),
    "setting of a metric": (
        ["metric", "wer", "--predictions", "p", "--references", "r", "--set", "norm"],
        "--set 'norm': expected key=value",
    ),
    "model arguments": (
        [*PREDICTIONS, "--model-args", "p.jsonl"],
        "--model-args 'p.jsonl': expected key=value, separated by commas",
    ),
    "argument twice": (
        [*PREDICTIONS, "--model-args", "path=a,path=b"],
        "--model-args: path is given twice",
    ),
    "no file of predictions": (PREDICTIONS, "model predictions needs --model-args path=FILE.jsonl"),
    "threads": (
        ["run", "--tasks", "librispeech", "--model-args", "threads=two"],
        "threads='two', expected a number from 1 up",
    ),
    "samples shown": (["data", "show", "librispeech", "-n", "0"], "Invalid value for '-n'"),
    "samples shown, negative": (["data", "show", "librispeech", "-n", "-2"], "'-n'"),
    "argument missing": (["report"], "Missing argument 'runs'; see mio-eval report --help"),
    "option missing": (["metric", "wer"], "Missing option '--predictions'"),
}


@pytest.mark.parametrize(("arguments", "message"), NAMES.values(), ids=NAMES)
def test_unknown_name(invoke, arguments, message):
    ended = invoke(*arguments)
    assert message in ended.message
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize(("arguments", "message"), VALUES.values(), ids=VALUES)
def test_wrong_value(invoke, arguments, message):
    ended = invoke(*arguments)
    assert message in ended.message
    assert (ended.code, ended.out) == (2, "")


def test_report_format(invoke, finished_run):
    ended = invoke("report", finished_run, "--format", "markdwn")
    assert ended.message == "mio-eval: unknown --format 'markdwn'; did you mean markdown?"
    assert ended.code == 2


@pytest.mark.parametrize("command", ["report", "score", "verify"])
def test_no_run_directory(invoke, tmp_path, command):
    (tmp_path / "empty").mkdir()
    ended = invoke(command, "empty")
    assert ended.message == (
        "mio-eval: empty is not a run directory: it has no run.json; "
        "give a folder such as results/runs/<run-id>"
    )
    assert ended.code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read broken/run.json"),
        ('{"schema_version": 1}', "mio-eval: broken: run.json is damaged (KeyError: "),
        ('{"schema_version": 99}', "schema version 99, this mio-eval reads 1; use the version"),
    ],
)
def test_run_directory_that_cannot_be_read(invoke, tmp_path, content, message):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text(content)
    ended = invoke("report", "broken")
    assert message in ended.message
    assert ended.code == 2


def test_resume_of_no_run(invoke):
    ended = invoke("run", "--resume", "nowhere")
    assert "nowhere is not a run directory" in ended.message
    assert ended.code == 2


def test_whole_path_through_the_installed_program(cli):
    ended = cli("run", "--tasks", "coco_captions")
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "mio-eval: unknown task 'coco_captions'; did you mean coco_caption or coco_t2i?\n"
    )
    assert ended.stdout == ""


@pytest.mark.parametrize("place", [0, 3])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(invoke, place):
    arguments = ["run", "--tasks", "coco"]
    ended = invoke(*arguments[:place], "--debug", *arguments[place:])
    assert "Traceback (most recent call last)" in ended.err
    assert ended.err.rstrip().endswith(
        "unknown task 'coco'; did you mean coco_t2i or coco_caption?"
    )
    assert ended.code == 2


def test_error_with_control_characters_is_shown_without_them(invoke):
    ended = invoke("report", "run\x1b[31m\x07red")
    assert "\x1b" not in ended.err
    assert "\x07" not in ended.err
    assert "run�[31m�red is not a run directory" in ended.message


def test_bug_is_told_from_a_mistake(monkeypatch, capsys):
    from mio_eval.cli import app

    def broken() -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("mio_eval.tasks.all_tasks", broken)
    with pytest.raises(SystemExit) as stop:
        app.main(["tasks", "ls"])
    assert stop.value.code == 4
    said = capsys.readouterr().err
    assert said.startswith(
        "mio-eval: internal error: AssertionError: a bug; run again with --debug"
    )

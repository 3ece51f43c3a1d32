"""`mio-eval report` and `leaderboard`: formats, places, errors, start-up."""

from __future__ import annotations

import json

import pytest
from loaded_modules import loaded

from mio_eval.cli.app import main


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        shown = capsys.readouterr()
        assert "internal error" not in shown.err
        return int(stop.value.code or 0), shown.out, " ".join(shown.err.split())

    return run


@pytest.fixture
def two(run_of):
    return [run_of(name=name)[0] for name in ("first", "second")]


def test_two_runs_are_rows_of_one_table(call, two):
    code, out, _ = call("report", *two)
    assert code == 0
    assert [w for w in ("first", "second", "MIO-Base (7B)", "Table 5") if w in out] == [
        *("first", "second", "MIO-Base (7B)", "Table 5"),
    ]


@pytest.mark.parametrize("format_", ["markdown", "latex", "csv"])
def test_out_writes_what_is_printed(call, two, tmp_path, format_):
    code, printed, _ = call("report", *two, "--format", format_)
    assert code == 0
    target = tmp_path / "table.txt"
    assert call("report", *two, "--format", format_, "--out", target)[0] == 0
    assert target.read_text(encoding="utf-8") == printed


def test_layout_and_intervals(call, two):
    _, out, _ = call("report", two[0], "--layout", "mio-table5", "--format", "latex", "--intervals")
    assert r"\scriptsize" in out
    assert "LibriSpeech & VCTK" in out


def test_html_in_the_run_directory_by_default(call, two):
    code, out, _ = call("report", two[0], "--format", "html")
    assert (code, out.strip()) == (0, str(two[0] / "report.html"))
    assert (two[0] / "report.html").is_file()


def test_html_of_two_runs_needs_a_place(call, two, tmp_path):
    code, _, said = call("report", *two, "--format", "html")
    assert code == 2
    assert "--out report.html" in said
    code, _, _ = call("report", *two, "--format", "html", "--out", tmp_path / "side" / "x.html")
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pdf"], "unknown --format 'pdf'"),
        (["--layout", "mio-table99"], "unknown layout 'mio-table99'"),
        (["--out", "table.txt"], "--out table.txt needs --format markdown, latex, csv or html"),
        (["--data-dir", "data"], "--data-dir data is for --format html"),
        (["--no-media", "--format", "csv"], "--no-media is for --format html"),
    ],
)
def test_wrong_values(call, two, arguments, message):
    code, _, said = call("report", two[0], *arguments)
    assert code == 2
    assert message in said


def test_a_run_twice_or_none(call, two, tmp_path):
    code, _, said = call("report", two[0], two[0])
    assert (code, "given twice" in said) == (2, True)
    code, _, said = call("report", tmp_path)
    assert (code, "not a run directory" in said) == (2, True)


@pytest.mark.parametrize("format_", ["terminal", "markdown", "latex", "csv", "html"])
def test_a_damaged_run_is_said_to_be(call, two, format_):
    data = json.loads((two[0] / "run.json").read_text())
    del data["data"]
    (two[0] / "run.json").write_text(json.dumps(data))
    code, _, said = call("report", two[0], "--format", format_)
    assert code == 2
    assert "is damaged" in said


def test_leaderboard_command(call, two, tmp_path):
    code, out, said = call("leaderboard", two[0].parent, "--out", tmp_path / "site", "--title", "T")
    assert code == 0
    assert out.strip() == str(tmp_path / "site" / "index.html")
    assert said == ""
    code, _, said = call("leaderboard", tmp_path / "none", "--out", tmp_path / "site")
    assert (code, "is no folder" in said) == (2, True)


@pytest.mark.parametrize("format_", ["terminal", "latex", "csv", "html", "board"])
def test_no_torch_and_no_network(two, tmp_path, format_):
    arguments = ["report", str(two[0]), "--format", format_]
    if format_ == "board":
        arguments = ["leaderboard", str(two[0].parent), "--out", str(tmp_path / "site")]
    modules = loaded(*arguments)
    heavy = {"torch", "transformers", "huggingface_hub", "requests", "httpx", "datasets", "pandas"}
    assert not heavy & modules
    if format_ in ("terminal", "latex", "csv"):
        assert not {"jinja2", "PIL", "av", "soundfile"} & modules

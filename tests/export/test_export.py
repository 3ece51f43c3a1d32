"""What holds for every format: what is refused, and that no secret comes out."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest

from mio_eval.errors import RunError, UsageError
from mio_eval.export import FORMATS, export_run
from mio_eval.export.redact import HIDDEN, redacted, redacted_command, redacted_text


@pytest.mark.parametrize("to", FORMATS)
def test_no_secret_comes_out(to, pictures, tmp_path):
    paths = export_run(pictures, to, tmp_path)
    assert paths
    for path in paths:
        contents = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents = [archive.read(name) for name in archive.namelist()]
        for content in contents:
            assert b"sk-abcdefgh12345678" not in content
            assert b"hf_abcdefgh1234" not in content


@pytest.mark.parametrize("to", FORMATS)
def test_run_that_goes_on_is_refused(to, pictures, tmp_path):
    run = tmp_path / "running"
    shutil.copytree(pictures, run)
    data = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(data | {"status": "running"}))
    with pytest.raises(RunError, match="not finished"):
        export_run(run, to, tmp_path / "out")


def test_unknown_format(speech):
    with pytest.raises(UsageError, match="inspect"):
        export_run(speech, "inspekt")


def test_setting_of_another_format(speech, tmp_path):
    with pytest.raises(UsageError, match="project"):
        export_run(speech, "csv", tmp_path, {"project": "x"})


def test_folder_that_cannot_be_made(speech, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write into"):
        export_run(speech, "csv", tmp_path / "file")


def test_default_folder(speech, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = export_run(speech.resolve(), "csv")
    assert paths[0].resolve() == tmp_path / "exports" / speech.name / "csv" / "scores.csv"


@pytest.mark.parametrize(
    "text",
    [
        "api_key=abc123",
        "path=x,token=abc123",
        "https://user:abc123@example.org/v1",
        "https://example.org/?key=abc123&x=1",
        "sk-proj-abc123abc123",
        "hf_abc123abc123",
        "password: abc123".replace(": ", ":"),
    ],
)
def test_secrets_in_text(text):
    assert "abc123" not in redacted_text(text)
    assert HIDDEN in redacted_text(text)


@pytest.mark.parametrize(
    "text", ["max_new_tokens=64", "key_env=OPENAI_API_KEY", "cider|tok:ptb-1|v:0.1.0", "a=b"]
)
def test_other_text_stays(text):
    assert redacted_text(text) == text


def test_secrets_by_name():
    given = {
        "model_args": {"api_key": "abc", "key_env": "K", "max_tokens": 5, "n": [{"token": "t"}]}
    }
    assert redacted(given) == {
        "model_args": {"api_key": HIDDEN, "key_env": "K", "max_tokens": 5, "n": [{"token": HIDDEN}]}
    }
    assert redacted_command(["run", "--api-key", "abc", "--limit", "3"]) == [
        *("run", "--api-key", HIDDEN, "--limit", "3")
    ]

"""The command line called in this process, and files to call it with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import captions_of, write_jsonl

from mio_eval.cli.app import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended, white space of its messages collapsed."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What it said on standard error, on one line."""
        return re.sub(r"\s+", " ", self.err).strip()


@pytest.fixture
def invoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call `mio-eval …` in this process, in a temporary folder. No traceback may be shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # no Java: METEOR is slow, and tested elsewhere
    for name in ("MIO_EVAL_TASKS", "MIO_EVAL_DATA"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        shown = capsys.readouterr()
        if "--debug" not in arguments:
            assert "Traceback" not in shown.err
            assert "internal error" not in shown.err
        return Outcome(int(stop.value.code or 0), shown.out, shown.err)

    return call


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Predictions for the twelve images of the small COCO tree."""
    rows = [{"id": str(1000 + i), "text": captions_of(i)[1]} for i in range(12)]
    return write_jsonl(tmp_path / "captions.jsonl", rows)


@pytest.fixture
def references(tmp_path: Path) -> Path:
    """References of the same twelve images, as a file."""
    rows = [{"id": str(1000 + i), "references": captions_of(i)} for i in range(12)]
    return write_jsonl(tmp_path / "references.jsonl", rows)


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """Predictions for the twelve utterances of the small LibriSpeech tree."""
    rows = [
        {"id": f"{speaker}-7-{number:04d}", "text": "one two"}
        for speaker in (100, 101, 102)
        for number in range(4)
    ]
    return write_jsonl(tmp_path / "transcripts.jsonl", rows)


@pytest.fixture
def finished_run(invoke: Callable[..., Outcome], data_dir: Path, transcripts: Path) -> Path:
    """A complete run of LibriSpeech predictions."""
    ended = invoke(
        *("run", "--tasks", "librispeech", "--model", "predictions"),
        *("--model-args", f"path={transcripts}", "--data-dir", data_dir, "--out", "runs"),
    )
    assert ended.code == 0, ended
    (run,) = (path for path in Path("runs").iterdir() if (path / "run.json").is_file())
    return run.absolute()

"""A backend as a model of lm-eval's own command line, against the same run of mio-eval."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("lm_eval")
pytest.importorskip("torch")
pytest.importorskip("transformers")

import lm_eval.tasks as lm_eval_tasks
from engine.loglikelihood_models import write_llama
from lm_eval.tasks import TaskManager

from mio_eval.cli import main as mio_eval
from mio_eval.errors import UsageError
from mio_eval.models.lm_eval_plugin import MioEvalLM, main
from mio_eval.shipped import sample_data

LIMIT = 40


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    lines = (sample_data() / "mmlu" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    return write_llama(tmp_path / "llama", [json.loads(line)["question"] for line in lines])


def run_lm_eval(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lm_eval", "run", *arguments])
    main()


def test_same_accuracy_on_the_same_items(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    tasks = tmp_path / "tasks"
    shutil.copytree(sample_data() / "mmlu", tasks)
    monkeypatch.chdir(tasks)
    # lm-eval would read all of its task files first, which takes it most of a minute.
    monkeypatch.setattr(lm_eval_tasks, "TaskManager", partial(TaskManager, include_defaults=False))
    run_lm_eval(
        monkeypatch, "--model", "mio-eval", "--model_args", f"backend=hf,pretrained={llama}",
        "--device", "cpu", "--tasks", str(tasks / "mio_mmlu_sample.yaml"), "--limit", str(LIMIT),
        "--output_path", str(tmp_path / "theirs"), "--log_samples",
    )  # fmt: skip
    (found,) = (tmp_path / "theirs").rglob("results_*.json")
    (logged,) = (tmp_path / "theirs").rglob("samples_*.jsonl")
    theirs = json.loads(found.read_text())["results"]["mio_mmlu_sample"]["acc,none"]

    with pytest.raises(SystemExit) as stopped:
        mio_eval(
            ["run", "--model", "hf", "--model-args", f"pretrained={llama},device=cpu", "--tasks",
             "mmlu", "--data", "sample", "--limit", str(LIMIT), "--out", str(tmp_path / "ours")]
        )  # fmt: skip
    assert stopped.value.code == 0
    (run,) = (tmp_path / "ours").glob("*/run.json")
    ours = json.loads(run.read_text())["results"]["mmlu"]["acc"]
    assert ours["n_scored"] == LIMIT
    assert ours["value"] == pytest.approx(100 * theirs)
    assert 0 < theirs < 1
    rows = [json.loads(line) for line in logged.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == LIMIT


def test_lm_eval_after_0_4_13_finds_it() -> None:
    (entry,) = importlib.metadata.entry_points(group="lm_eval.models", name="mio-eval")
    assert entry.load() is MioEvalLM


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained": "x"}, "needs --model_args backend="),
        ({"backend": "nobody"}, "unknown model 'nobody'"),
        ({"backend": "hf", "pretrained": "./nowhere"}, "no such folder"),
    ],
)
def test_wrong_arguments(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        MioEvalLM(**arguments)


def test_errors_are_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    import lm_eval.__main__ as program

    def evaluate() -> None:
        MioEvalLM()

    monkeypatch.setattr(program, "cli_evaluate", evaluate)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("mio-eval: error: --model mio-eval needs")


def test_arguments_reach_the_backend(llama: Path) -> None:
    model = MioEvalLM(
        backend="hf", pretrained=str(llama), batch_size=3, device="cpu", trust_remote_code=True
    )
    backend = model._backend
    assert backend.batch_size == 3
    assert backend.identity().extra["trust_remote_code"] is True

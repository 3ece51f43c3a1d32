"""Text tasks through lm-eval: its numbers, our run directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine.loglikelihood_models import LlamaScorer, Ruler, Talker, write_llama

pytest.importorskip("lm_eval")
import yaml

from mio_eval.data import lm_eval_tasks
from mio_eval.data.lm_eval_tasks import load_tasks, mmlu, mmlu_file, read_mmlu
from mio_eval.engine import Options, evaluate
from mio_eval.engine.cache import ResponseCache
from mio_eval.engine.generate import Generation
from mio_eval.engine.journal import read_journal
from mio_eval.engine.score import Rows, Tally, score_task, statistics_lines
from mio_eval.engine.text_harness import run_lm_eval_task
from mio_eval.errors import MioEvalError, RunError, UsageError
from mio_eval.metrics.accuracy import Acc
from mio_eval.models.base import Backend
from mio_eval.models.loglikelihood import SupportsLoglikelihood
from mio_eval.shipped import sample_data
from mio_eval.verify import rows_of

SAMPLE = sample_data() / "mmlu" / "dev.jsonl"
SUBJECTS = 57
FEW = 6
MANY = 40

Run = Callable[..., Generation]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "mmlu"
    path.mkdir(parents=True)
    return path


def run(backend: Backend, folder: Path, **options: Any) -> Generation:
    options = {"limit": FEW, "seed": 0, "cache": None, **options}
    return run_lm_eval_task(backend, mmlu(str(SAMPLE)), folder=folder, **options)


def rows(folder: Path) -> dict[str, Any]:
    return {row["id"]: row for row in read_journal(folder / "samples.jsonl")}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("accelerate")  # lm-eval's own model needs it
    pytest.importorskip("torch")
    texts = [line["question"] for line in questions()]
    return write_llama(tmp_path_factory.mktemp("llama"), texts)


def questions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def test_equals_lm_eval_with_its_own_model(llama: Path, folder: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    theirs = simple_evaluate(
        model=HFLM(pretrained=str(llama), device="cpu", dtype="float32", batch_size=4),
        tasks=list(load_tasks(mmlu(str(SAMPLE))).values()),
        limit=MANY,
        bootstrap_iters=0,
    )
    assert theirs is not None
    counts = run(LlamaScorer(llama), folder, limit=MANY)

    assert (counts.expected, counts.failed) == (MANY, 0)
    ours = list(rows(folder).values())
    logged = theirs["samples"]["mio_mmlu_sample"]
    assert len(ours) == len(logged) == MANY
    for row, sample in zip(ours, logged, strict=True):
        assert row["prompt"] == [{"text": sample["arguments"][0][0]}]
        assert row["meta"]["acc"] == sample["acc"]
        want = [resps[0] for resps in sample["resps"]]
        found = row["meta"]["loglikelihood"]
        assert found["sum"] == pytest.approx([logprob for logprob, _ in want], abs=1e-4)
        assert found["greedy"] == [greedy for _, greedy in want]
    score = score_task(folder, [Acc()], "acc").scores["acc"]
    assert score.value == pytest.approx(100 * theirs["results"]["mio_mmlu_sample"]["acc,none"])
    assert 0 < score.value < 100
    assert len({row["output"]["text"] for row in ours}) == 4


def test_batch_size_of_the_command_line_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Counted(Ruler):
        def loglikelihood(self, requests: Any) -> Any:
            sizes.append(len(requests))
            return super().loglikelihood(requests)

    monkeypatch.setattr("mio_eval.engine.plan.create_model", lambda name, arguments: Counted())
    options = {"model": "ruler", "data": "sample", "limit": 3, "cache": False}
    for size in (3, "auto", None):
        evaluate(Options(("mmlu",), batch_size=size, out=str(tmp_path / str(size)), **options))
    assert sizes == [3, 3, 3, 3, 12, 12]


def test_row_is_the_contracts(folder: Path) -> None:
    run(Ruler(), folder)
    first = questions()[0]
    row = rows(folder)["abstract_algebra/0"]
    assert list(row) == [
        "id", "key", "status", "prompt", "output", "error", "timing", "references", "cluster",
        "content", "meta",
    ]  # fmt: skip
    assert row["status"] == "ok"
    assert row["error"] is None
    assert row["references"] == ["ABCD"[first["answer"]]]
    assert row["cluster"] == "abstract_algebra"
    assert row["output"]["text"] in "ABCD"
    assert row["meta"]["choices"] == first["choices"]
    sums = row["meta"]["loglikelihood"]["sum"]
    assert "ABCD"[sums.index(max(sums))] == row["output"]["text"]
    assert row["meta"]["acc"] == int(row["output"]["text"] == row["references"][0])
    assert len(row["key"]) == len(row["content"]) == 64


def test_prompt_is_that_of_lm_evals_own_tasks(folder: Path) -> None:
    import lm_eval.tasks

    home = Path(lm_eval.tasks.__file__).parent / "mmlu" / "default"
    template = yaml.safe_load((home / "_default_template_yaml").read_text(encoding="utf-8"))
    own = yaml.safe_load((sample_data() / lm_eval_tasks.MMLU).read_text(encoding="utf-8"))
    for name in ("doc_to_text", "doc_to_choice", "doc_to_target", "output_type", "metric_list"):
        assert own[name] == template[name]
    run(Ruler(), folder, limit=None)
    prompts = {row["cluster"]: row["prompt"][0]["text"] for row in rows(folder).values()}
    assert len(prompts) == SUBJECTS
    for subject, prompt in prompts.items():
        theirs = yaml.safe_load((home / f"mmlu_{subject}.yaml").read_text(encoding="utf-8"))
        assert prompt.startswith(theirs["description"])
        assert prompt.endswith("\nAnswer:")


def test_second_run_asks_the_model_nothing(folder: Path, tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache")
    first, second = Ruler(), Ruler()
    run(first, folder, cache=cache)
    assert len(first.asked) == 4 * FEW
    other = tmp_path / "other" / "mmlu"
    other.mkdir(parents=True)
    counts = run(second, other, cache=cache)
    assert second.asked == []
    assert (counts.expected, counts.cached) == (FEW, FEW)
    assert [row["meta"] for row in rows(other).values()] == [
        row["meta"] for row in rows(folder).values()
    ]
    third = Ruler()
    assert run(third, other, cache=None).kept == FEW
    assert third.asked == []
    cache.close()


@pytest.mark.parametrize("cached", [True, False])
def test_nothing_finished_is_lost_when_killed(cached: bool, folder: Path, tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache") if cached else None
    first, second = Ruler(dies_after=10), Ruler()
    with pytest.raises(KeyboardInterrupt):
        run(first, folder, cache=cache)
    assert len(rows(folder)) == 2  # ten answers finish two questions of four options
    with (folder / "samples.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')
    counts = run(second, folder, cache=cache)
    assert counts.kept == 2
    assert len(second.asked) == 4 * FEW - (10 if cached else 8)
    whole = tmp_path / "whole" / "mmlu"
    whole.mkdir(parents=True)
    run(Ruler(), whole)
    assert {i: r["output"] for i, r in rows(folder).items()} == {
        i: r["output"] for i, r in rows(whole).items()
    }


def test_failure_of_a_document_is_its_own(folder: Path) -> None:
    words = questions()[2]["question"]
    counts = run(Ruler(fails_on=words), folder)
    assert (counts.expected, counts.failed) == (FEW, 1)
    row = rows(folder)["anatomy/0"]
    assert row["status"] == "failed"
    assert row["output"] is None
    assert row["error"] == {
        "stage": "generate",
        "type": "ValueError",
        "message": "too long for this model",
    }
    scores = score_task(folder, [Acc()], "acc")
    assert scores.scores["acc"].n_scored == FEW - 1
    assert scores.scores["acc"].n_failed == 1
    assert run(Ruler(), folder).failed == 0  # what failed is tried again
    assert len(rows(folder)) == FEW


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_what_is_no_number_is_a_failure(value: float, folder: Path) -> None:
    assert run(Ruler(value=value), folder, limit=1).failed == 1
    assert rows(folder)["abstract_algebra/0"]["error"]["type"] == "NotFinite"


def test_a_model_that_answers_too_little(folder: Path) -> None:
    class Silent(Ruler):
        def loglikelihood(self, requests: Any) -> Any:
            return iter(())

    assert run(Silent(), folder, limit=1).failed == 1
    assert rows(folder)["abstract_algebra/0"]["error"]["type"] == "NoResponse"


def test_answer_that_is_no_option_is_failed_data(folder: Path, tmp_path: Path) -> None:
    lines = questions()[:3]
    lines[1]["answer"] = 7
    lines[2]["choices"] = ["only", "three", "options"]
    path = tmp_path / "broken.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    counts = run_lm_eval_task(
        Ruler(), mmlu(str(path)), limit=None, seed=0, cache=None, folder=folder
    )
    assert (counts.expected, counts.failed) == (3, 2)
    found = rows(folder)
    assert found["abstract_algebra/0"]["status"] == "ok"
    for name in ("abstract_algebra/1", "anatomy/0"):
        assert found[name]["error"]["stage"] == "data"


def test_statistics_and_scores_can_be_recomputed(folder: Path) -> None:
    run(Ruler(), folder, limit=40)
    metric = Acc()
    score = score_task(folder, [metric], "acc").scores["acc"]
    assert score.signature.startswith("acc|agg:micro|via:lm-eval-0.4.13|n:40|v:")
    assert (score.n_expected, score.unit) == (40, "×100")
    assert score.ci_low is not None
    assert score.ci_high is not None
    assert score.ci_low < score.value < score.ci_high  # type: ignore[operator]
    stored = list(read_journal(folder / "stats.jsonl"))
    anew = {metric.name: Rows()}
    assert list(statistics_lines(folder, [metric], anew, Tally(), [])) == stored
    again = rows_of(metric, stored)
    assert (again.ids, again.clusters) == (anew["acc"].ids, anew["acc"].clusters)


def test_changed_output_is_found(folder: Path) -> None:
    run(Ruler(), folder)
    path = folder / "samples.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    right = lines[0]["references"][0]
    lines[0]["output"]["text"] = right if lines[0]["output"]["text"] != right else "E"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert score_task(folder, [Acc()], "acc").scores["acc"].n_failed == 1


def test_changed_data_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    run(Ruler(), folder, limit=2)
    lines = questions()[:2]
    lines[0]["question"] = "Another?"
    path = tmp_path / "changed.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(RunError, match="changed since"):
        run_lm_eval_task(Ruler(), mmlu(str(path)), limit=2, seed=0, cache=None, folder=folder)


def test_model_without_loglikelihood_is_refused(folder: Path) -> None:
    assert not isinstance(Talker(), SupportsLoglikelihood)
    with pytest.raises(UsageError, match=r"model talker cannot run task .* needs loglikelihood"):
        run(Talker(), folder)


def test_other_version_of_lm_eval_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_eval_tasks, "version", lambda name: "0.4.99")
    with pytest.raises(UsageError, match=r"0\.4\.99 is installed"):
        run(Ruler(), folder)


def test_unknown_task_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no task 'mmlv'"):
        load_tasks("mmlv", include_path=sample_data() / "mmlu")
    with pytest.raises(MioEvalError, match="cannot load task"):
        load_tasks(mmlu(str(tmp_path / "none.jsonl")))


def test_reads_the_official_parquet_files(tmp_path: Path, folder: Path) -> None:
    import datasets

    root = tmp_path / "data" / "mmlu"
    (root / "all").mkdir(parents=True)
    table = datasets.Dataset.from_list(questions()[:FEW])
    table.to_parquet(root / "all" / "test-00000-of-00001.parquet")
    pattern = mmlu_file(root, "test")
    shutil.copy(SAMPLE, root / "dev.jsonl")
    assert mmlu_file(root, "dev").endswith("dev.jsonl")
    samples = list(read_mmlu(root, "test"))
    assert [sample.id for sample in samples[:3]] == [
        "abstract_algebra/0", "abstract_algebra/1", "anatomy/0",
    ]  # fmt: skip
    run_lm_eval_task(Ruler(), mmlu(pattern), limit=None, seed=0, cache=None, folder=folder)
    assert list(rows(folder)) == [sample.id for sample in samples]

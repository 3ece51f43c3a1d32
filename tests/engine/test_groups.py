"""Scores by group: the numbers, the counts of failures, what verify finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.engine.groups import group_scores
from mio_eval.engine.progress import Silent
from mio_eval.engine.rescore import rescore
from mio_eval.metrics import get_metric
from mio_eval.metrics.base import Item
from mio_eval.metrics.choice import group_accuracy
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.report.groups import group_tables
from mio_eval.report.markdown import markdown
from mio_eval.report.terminal import print_run
from mio_eval.stats import bootstrap_interval, column_sums
from mio_eval.types import Capability, Part, Request, Text
from mio_eval.verify import verify

PER_GROUP = 12
GROUPS = ("Scene Understanding", "Text | Understanding")


class Guesser(Backend):
    """Answers A; fails on one question."""

    name = "guesser"
    capabilities = frozenset({Capability(frozenset({"image", "text"}), "text")})
    reads_media = False

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def answer(self, request: Request) -> Part:
        text = "".join(part.text for part in request.parts if isinstance(part, Text))
        if "question 5?" in text:
            raise ValueError("too hard")
        return Text("A")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two dimensions of SEED-Bench; in the first every second answer is A, in the other none."""
    root = tmp_path / "data" / "seed_bench"
    (root / "SEED-Bench-image").mkdir(parents=True)
    questions = []
    for number in range(2 * PER_GROUP):
        group = number // PER_GROUP
        right = "A" if group == 0 and number % 2 else "B"
        questions.append(
            {
                "question_id": str(number),
                "data_id": f"image{number}",
                "data_type": "image",
                "question": f"question {number}?",
                "question_type_id": group + 1,
                "answer": right,
                **{f"choice_{letter}": f"choice {letter}" for letter in "abcd"},
            }
        )
    content = {"question_type": {n: i + 1 for i, n in enumerate(GROUPS)}, "questions": questions}
    (root / "SEED-Bench.json").write_text(json.dumps(content))
    return tmp_path / "data"


@pytest.fixture
def result(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunResult:
    monkeypatch.setattr("mio_eval.engine.plan.create_model", lambda name, args: Guesser())
    return evaluate(
        Options(("seed_bench",), model="guesser", data_dir=str(data), out=str(tmp_path / "runs"))
    )


def groups_of(result: RunResult) -> dict[str, Any]:
    return result.data["groups"]["seed_bench"]["choice_acc"]


def test_every_group_has_its_score(result: RunResult) -> None:
    first, second = (groups_of(result)[name] for name in GROUPS)
    # Of the first dimension 6 of 12 are A; question 5, one of them, failed.
    assert first["value"] == pytest.approx(100 * 5 / 11)
    assert (first["n_scored"], first["n_failed"]) == (11, 1)
    assert first["ci_low"] < first["value"] < first["ci_high"]
    assert (second["value"], second["n_scored"], second["n_failed"]) == (0.0, PER_GROUP, 0)
    assert set(first) == {"value", "ci_low", "ci_high", "n_scored", "n_failed"}
    # The task's own score is over all questions, not the mean of the dimensions.
    assert result.scores["seed_bench"]["choice_acc"]["value"] == pytest.approx(100 * 5 / 23)


def test_verify_checks_them(result: RunResult) -> None:
    found = verify(result.path)
    assert "seed_bench: scores of groups of choice_acc" in found.checked
    assert not [p for p in found.problems if "groups" in p]
    path = result.path / "run.json"
    content = json.loads(path.read_text())
    content["groups"]["seed_bench"]["choice_acc"][GROUPS[0]]["n_failed"] = 0
    path.write_text(json.dumps(content))
    problems = verify(result.path).problems
    assert "seed_bench: choice_acc: run.json has other scores of groups" in problems
    del content["groups"]
    path.write_text(json.dumps(content))
    assert any("scores of groups" in problem for problem in verify(result.path).problems)


def test_scoring_again_gives_the_same(result: RunResult) -> None:
    assert rescore(result.path, (), Silent())["groups"] == result.data["groups"]


def test_they_are_printed(result: RunResult, capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = group_tables(result.data, "seed_bench")
    assert table.title == "accuracy by group"
    name, value, _, scored, failed = table.rows[0]
    assert (name, value, scored, failed) == (GROUPS[0], "45.45", "11/12", "1")
    print_run(result.path, result.data)
    assert "Text | Understanding" in capsys.readouterr().out
    assert "| Text \\| Understanding | 0.00 |" in markdown(result.path, result.data)


def test_a_task_without_groups_has_none() -> None:
    assert group_tables({"results": {}}, "coco_caption") == []


def one_metric(groups: dict[str, str], clusters: list[str] | None = None) -> dict[str, Any]:
    metric = get_metric("choice_acc", rule="first-char")
    ids = [f"{number:02}" for number in range(len(groups))]
    meta = {"choices": ["w", "x", "y", "z"]}
    items = [Item(i, "AB"[n % 2], ("A",), meta=meta) for n, i in enumerate(ids)]
    return group_scores(metric, metric.statistics(items).values, ids, clusters or ids, groups)


def test_the_values_are_those_of_group_accuracy() -> None:
    groups = {f"{n:02}": "xyz"[n % 3] for n in range(60)}
    found = one_metric(groups)
    expected = group_accuracy([float(n % 2 == 0) for n in range(60)], list(groups.values()))
    assert {name: score["value"] for name, score in found.items()} == pytest.approx(expected)


def test_one_group_is_no_group() -> None:
    assert one_metric({f"{n:02}": "other" for n in range(20)}) == {}


def test_few_units_give_no_interval() -> None:
    groups = {f"{n:02}": "big" if n < 20 else "small" for n in range(29)}
    found = one_metric(groups)
    assert found["big"]["ci_low"] is not None
    assert found["small"]["ci_low"] is found["small"]["ci_high"] is None
    # As many samples, but of few images.
    clusters = [f"image{n % 4}" for n in range(29)]
    assert one_metric(groups, clusters)["big"]["ci_low"] is None


def test_in_a_group_that_is_a_cluster_samples_are_the_units() -> None:
    groups = {f"{n:02}": "law" if n < 20 else "art" for n in range(40)}
    found = one_metric(groups, list(groups.values()))
    assert found["law"]["ci_low"] < 50.0 < found["law"]["ci_high"]


def test_intervals_are_those_of_the_group_alone() -> None:
    """For any metric: word error rates, whose value is no mean over samples."""
    metric = get_metric("wer", norm="none")
    rng = np.random.default_rng(0)
    words = ["a", "b", "c", "d", "e", "f"]
    items = [
        Item(f"{n:02}", " ".join(rng.choice(words, 5)), (" ".join(rng.choice(words, 4)),))
        for n in range(30)
    ]
    values = metric.statistics(items).values
    ids = [item.id for item in items]
    groups = {i: "first" if n < 18 else "last" for n, i in enumerate(ids)}
    found = group_scores(metric, values, ids, ids, groups)
    interval = bootstrap_interval(values[:18], ids[:18], metric.score)
    assert found["first"]["value"] == float(metric.score(column_sums(values[:18])))
    assert (found["first"]["ci_low"], found["first"]["ci_high"]) == (interval.low, interval.high)

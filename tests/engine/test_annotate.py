"""Judges: each output is judged once, a failed judgement is a failed sample of its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from engine.worlds import World, finished_in, read_run, records_of, write_task

from mio_eval import annotators, metrics
from mio_eval.annotators import Annotation, Annotator
from mio_eval.engine import resume
from mio_eval.engine.annotate import read_annotations
from mio_eval.engine.progress import Silent
from mio_eval.engine.rescore import rescore
from mio_eval.metrics.base import Array, Item, Metric, Statistics, mean_score
from mio_eval.types import Failure, Json
from mio_eval.verify import verify


class Judge(Annotator):
    """Counts letters; what it does to a sample can be set."""

    name = "letters"
    version: ClassVar[int] = 1
    judged: ClassVar[list[str]] = []
    script: ClassVar[dict[str, str]] = {}
    closed: ClassVar[int] = 0

    def identity(self) -> Json:
        return {"name": self.name, "version": self.version}

    def annotate(self, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
        for record in records:
            name = record["id"]
            self.judged.append(name)
            value: Any = self.version * len(record["output"]["text"])
            match self.script.get(name, ""):
                case "fail":
                    failure = Failure("annotate", "TooQuiet", "nothing to hear \ud800")
                    yield Annotation(name, failure=failure)
                case "raise":
                    raise MemoryError("judge out of memory")
                case "nothing":
                    pass
                case "twice":
                    yield Annotation(name, value)
                    yield Annotation(name, -1)
                case "unknown":
                    yield Annotation(name, value)
                    yield Annotation("no-such-sample", value)
                case "nan":
                    yield Annotation(name, float("nan"))
                case "array":
                    yield Annotation(name, np.zeros(2))
                case _:
                    yield Annotation(name, value)

    def close(self) -> None:
        type(self).closed += 1


class Letters(Metric):
    """Mean number of letters, as the judge counted them."""

    name, title, unit = "letters", "Letters", "letters"
    higher_is_better = True
    range = (0.0, float("inf"))
    columns = ("letters", "count")
    annotators = ("letters",)

    def statistics(self, items: Sequence[Item]) -> Statistics:
        return Statistics(np.array([[i.annotations["letters"], 1] for i in items], dtype=float))

    def score(self, sums: Array) -> Array:
        return mean_score(sums)


class Entry:
    """What importlib.metadata gives for a plug-in."""

    def __init__(self, name: str, target: type) -> None:
        self.name = name
        self.target = target

    def load(self) -> type:
        return self.target


@pytest.fixture
def judged(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose `captions` are scored by the test metric too."""

    def entries(group: str, name: str = "letters") -> list[Entry]:
        target = {metrics.ENTRY_POINTS: Letters, annotators.base.ENTRY_POINTS: Judge}[group]
        return [Entry("letters", target)] if name == "letters" else []

    monkeypatch.setattr(metrics, "entry_points", entries)
    monkeypatch.setattr(annotators.base, "entry_points", entries)
    for attribute, value in (("judged", []), ("script", {}), ("closed", 0), ("version", 1)):
        monkeypatch.setattr(Judge, attribute, value)
    write_task(world.tasks, "coco_caption", "captions", metrics=["rouge_l", "letters"])
    return world


def mean_letters(run: Path, version: int = 1) -> float:
    lengths = [len(r["output"]["text"]) for r in records_of(run).values()]
    return version * sum(lengths) / len(lengths)


def test_each_output_is_judged_once(judged: World) -> None:
    result = judged.evaluate()
    assert sorted(Judge.judged) == sorted(finished_in(result.path, "captions"))
    assert Judge.closed == 2  # once when the plan checks that it can be had, once when done
    score = result.scores["captions"]["letters"]
    assert score["value"] == pytest.approx(mean_letters(result.path), rel=1e-12)
    assert verify(result.path).ok

    resume(result.path, {})
    rescore(result.path, (), Silent())
    assert len(Judge.judged) == 12
    assert read_run(result.path)["results"] == result.scores
    assert verify(result.path).ok


def test_a_stopped_judge_goes_on(judged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Judge.annotate

    def stopped(self: Judge, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
        for number, annotation in enumerate(real(self, records, run)):
            if number == 5:
                raise KeyboardInterrupt
            yield annotation

    monkeypatch.setattr(Judge, "annotate", stopped)
    from mio_eval.engine.run import InterruptedRunError

    with pytest.raises(InterruptedRunError):
        judged.evaluate()
    monkeypatch.setattr(Judge, "annotate", real)
    (run,) = judged.runs()
    kept = set(records_of(run, "captions", "annotations.jsonl"))
    assert len(kept) == 5
    Judge.judged.clear()
    result = judged.evaluate()
    assert result.path == run
    assert not result.failed
    assert len(Judge.judged) == 7
    assert len(judged.started()) == 12


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("fail", "TooQuiet"),
        ("nothing", "NoAnnotation"),
        ("nan", "ValueError"),
        ("array", "TypeError"),
    ],
)
def test_a_failed_judgement_is_counted_not_scored(judged: World, behaviour: str, kind: str) -> None:
    Judge.script["1004"] = behaviour
    result = judged.evaluate()
    assert result.failed
    letters, rouge = (result.scores["captions"][name] for name in ("letters", "rouge_l"))
    assert (letters["n_expected"], letters["n_scored"], letters["n_failed"]) == (12, 11, 1)
    assert (rouge["n_scored"], rouge["n_failed"]) == (12, 0)
    lines = records_of(result.path, "captions", "stats.jsonl")
    assert "letters" not in lines["1004"]["stats"]
    assert lines["1004"]["errors"]["letters"]["stage"] == "annotate"
    assert lines["1004"]["errors"]["letters"]["type"] == kind
    assert verify(result.path).ok

    Judge.script.clear()
    Judge.judged.clear()
    again = judged.evaluate()
    assert again.path == result.path
    assert not again.failed
    assert Judge.judged == ["1004"]
    assert again.scores["captions"]["letters"]["n_scored"] == 12


def test_a_raising_judge_fails_what_it_left_open(judged: World) -> None:
    Judge.script["1009"] = "raise"
    result = judged.evaluate()
    lines = records_of(result.path, "captions", "stats.jsonl")
    errors = {n: line["errors"]["letters"] for n, line in lines.items() if "errors" in line}
    error = {"stage": "annotate", "type": "MemoryError", "message": "judge out of memory"}
    assert errors == dict.fromkeys(("1009", "1010", "1011"), error)
    assert result.scores["captions"]["letters"]["n_scored"] == 9
    assert Judge.closed == 2  # once when the plan checks that it can be had, once when done


@pytest.mark.parametrize("behaviour", ["twice", "unknown"])
def test_what_nobody_asked_the_judge_is_ignored(judged: World, behaviour: str) -> None:
    Judge.script["1002"] = behaviour
    result = judged.evaluate()
    assert not result.failed
    score = result.scores["captions"]["letters"]
    assert score["value"] == pytest.approx(mean_letters(result.path), rel=1e-12)
    assert len(records_of(result.path, "captions", "annotations.jsonl")) == 12


def test_failed_samples_are_not_judged(judged: World) -> None:
    script = judged.script({"1001": "raise"})
    result = judged.evaluate("Scripted", model_args=script)
    assert "1001" not in Judge.judged
    letters = result.scores["captions"]["letters"]
    assert (letters["n_scored"], letters["n_failed"]) == (11, 1)


def test_the_current_judge_counts_also_after_another_one(
    judged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judgements of another version are kept, used for no score, and found again."""
    run = judged.evaluate().path
    for version, calls in ((2, 24), (1, 24), (2, 24)):
        monkeypatch.setattr(Judge, "version", version)
        data = rescore(run, (), Silent())
        assert len(Judge.judged) == calls
        value = data["results"]["captions"]["letters"]["value"]
        assert value == pytest.approx(mean_letters(run, version), rel=1e-12)
        assert verify(run).ok
    assert len(records_of(run, "captions", "annotations.jsonl")) == 24
    said = read_annotations(run / "captions")
    assert {line["letters"]["status"] for line in said.values()} == {"ok"}

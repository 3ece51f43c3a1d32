"""A model that hangs while lm-eval asks it fails like any hanging model, and the run ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine.loglikelihood_models import Ruler, Talker

from mio_eval.engine.execute import MAX_HANGS
from mio_eval.engine.hangs import HungError, Watched, within
from mio_eval.errors import RunError
from mio_eval.models.loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from mio_eval.shipped import sample_data

SHORT = 0.15  # seconds


class Sleeper(Ruler):
    """Hangs on a text until the test is over."""

    def __init__(self, hangs_on: str, wake: threading.Event) -> None:
        super().__init__()
        self.hangs_on = hangs_on
        self.wake = wake

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        for request in requests:
            if self.hangs_on in request.context:
                self.wake.wait(60)
            yield from super().loglikelihood([request])


@pytest.fixture
def wake() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def asked(*contexts: str) -> list[LoglikelihoodRequest]:
    return [LoglikelihoodRequest(context, " A") for context in contexts]


def test_within_gives_what_comes_and_raises_what_is_raised() -> None:
    assert list(within(5, lambda: iter("abc"))) == ["a", "b", "c"]

    def broken() -> Iterator[str]:
        yield "a"
        raise KeyError("b")

    found = within(5, broken)
    assert next(found) == "a"
    with pytest.raises(KeyError, match="b"):
        next(found)


def test_time_between_answers_counts_not_the_whole() -> None:
    def slow() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.05)
            yield number

    assert list(within(0.15, slow)) == [0, 1, 2, 3]


def test_what_a_hang_left_open_has_failed(wake: threading.Event) -> None:
    watched = Watched(Sleeper("bad", wake), SHORT)
    first, second, third = watched.loglikelihood(asked("good", "bad", "good"))
    assert first.failure is None
    for response in (second, third):
        assert response.failure is not None
        assert response.failure.type == "TimeoutError"
        assert response.failure.message == "no answer within 0.15 s (--timeout)"
    (again,) = watched.loglikelihood(asked("good"))
    assert again.failure is None


def test_hanging_for_good_ends_the_run(wake: threading.Event) -> None:
    watched = Watched(Sleeper("bad", wake), SHORT)
    for _ in range(MAX_HANGS - 1):
        list(watched.loglikelihood(asked("bad")))
    with pytest.raises(RunError, match=f"did not answer {MAX_HANGS} batches in a row within 0.15"):
        list(watched.loglikelihood(asked("bad")))


def test_an_answer_between_hangs_counts(wake: threading.Event) -> None:
    watched = Watched(Sleeper("bad", wake), SHORT)
    for _ in range(MAX_HANGS + 1):
        list(watched.loglikelihood(asked("bad")))
        list(watched.loglikelihood(asked("good")))


def test_a_hang_in_a_task_of_lm_eval(tmp_path: Path, wake: threading.Event) -> None:
    pytest.importorskip("lm_eval")
    from mio_eval.data.lm_eval_tasks import mmlu
    from mio_eval.engine.journal import read_journal
    from mio_eval.engine.text_harness import run_lm_eval_task

    data = sample_data() / "mmlu" / "dev.jsonl"
    question = json.loads(data.read_text(encoding="utf-8").splitlines()[1])["question"]
    folder = tmp_path / "run" / "mmlu"
    folder.mkdir(parents=True)
    counts = run_lm_eval_task(
        Sleeper(question[:40], wake),
        mmlu(str(data)),
        limit=4,
        seed=0,
        cache=None,
        folder=folder,
        batch_size=4,
        timeout=SHORT,
    )
    assert (counts.expected, counts.failed) == (4, 1)
    errors = [row["error"] for row in read_journal(folder / "samples.jsonl")]
    (error,) = [error for error in errors if error]
    assert (error["stage"], error["type"]) == ("generate", "TimeoutError")


def test_a_hang_in_generation_is_an_error(wake: threading.Event) -> None:
    pytest.importorskip("lm_eval")
    from mio_eval.models.lm_eval_model import BackendLM

    class Mute(Talker):
        def generate(self, requests: Any) -> Any:
            wake.wait(60)
            yield from super().generate(requests)

    instance = SimpleNamespace(args=("a", {"until": ["\n"]}), task_name="t")
    with pytest.raises(RunError, match=r"no answer within 0\.15 s"):
        BackendLM(Mute(), timeout=SHORT).generate_until([instance])
    assert BackendLM(Talker(), timeout=5).generate_until([instance]) == ["one two. three"]


def test_the_error_of_a_hang_names_the_limit() -> None:
    with pytest.raises(HungError, match=r"0\.01 s"):
        list(within(0.01, lambda: iter([time.sleep(0.2)])))

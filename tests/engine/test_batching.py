"""Batches by cost, batch sizes that adapt, and models whose memory is limited."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytest
from engine.worlds import World, records_of

from mio_eval.engine.batching import BatchSize, by_cost, is_out_of_memory
from mio_eval.engine.execute import Executor
from mio_eval.models.base import Backend, ModelIdentity, OutOfMemory
from mio_eval.types import Capability, Request, Response, Text


def request(name: str, length: int = 1) -> Request:
    return Request(name, (Text("x" * length),), "text")


class Limited(Backend):
    """Answers whole batches; one whose longest request times its size is over `memory` fails."""

    name = "limited"
    capabilities = frozenset({Capability(frozenset({"text"}), "text")})

    def __init__(self, memory: float = 1e9, error: BaseException | None = None) -> None:
        self.memory = memory
        self.error = error or OutOfMemory("too large")
        self.batches: list[list[str]] = []
        self.seconds = 0.0

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        names = [one.sample_id for one in requests]
        self.batches.append(names)
        time.sleep(self.seconds)
        if len(requests) * max(self.cost(one) for one in requests) > self.memory:
            raise self.error
        for name in reversed(names):
            yield Response(name, Text(f"answer to {name}"))


def answers(executor: Executor, requests: Sequence[Request]) -> dict[str, Response]:
    found = list(chain(*executor.run(iter(requests))))
    executor.close()
    assert Counter(r.sample_id for r in found) == Counter(r.sample_id for r in requests)
    return {response.sample_id: response for response in found}


def test_the_dearest_of_a_window_come_first_and_order_is_kept_among_equals() -> None:
    lengths = [random.Random(5).randint(1, 9) for _ in range(500)]
    requests = [request(str(i), n) for i, n in enumerate(lengths)]
    cost = Limited().cost
    found = [r.sample_id for r in by_cost(requests, cost, window=100)]
    wanted: list[str] = []
    for start, end in ((0, 64), (64, 164), (164, 264), (264, 364), (364, 464), (464, 500)):
        window = sorted(range(start, end), key=lambda i: (-lengths[i], i))
        wanted += [str(i) for i in window]
    assert found == wanted


def test_a_cost_that_is_no_number_does_not_disturb() -> None:
    requests = [request(str(i)) for i in range(4)]

    def cost(one: Request) -> float:
        if one.sample_id == "1":
            raise ValueError("no estimate")
        return float("nan") if one.sample_id == "0" else 1.0

    assert [r.sample_id for r in by_cost(requests, cost)] == ["2", "3", "0", "1"]


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's own, whose class need not be imported to be known."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OutOfMemory("x"), True),
        (MemoryError(), True),
        (OutOfMemoryError("CUDA"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_known_by_name(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_torch_own_error_is_known() -> None:
    torch = pytest.importorskip("torch")
    assert is_out_of_memory(torch.OutOfMemoryError("x"))


@pytest.mark.parametrize("error", [None, OutOfMemoryError("x"), RuntimeError("out of memory")])
def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered(
    error: BaseException | None,
) -> None:
    told: list[int] = []
    size = BatchSize(16, changed=lambda count, why: told.append(count))
    backend = Limited(memory=5, error=error)
    executor = Executor(backend, 30, size=size)
    found = answers(executor, [request(str(i)) for i in range(40)])
    assert all(response.failure is None for response in found.values())
    assert told == [8, 4]
    assert [len(batch) for batch in backend.batches] == [16, 8] + [4] * 10
    assert size.to_json()["out_of_memory"] == 2


def test_a_request_that_does_not_fit_alone_fails_alone() -> None:
    requests = [request(str(i), 100 if i == 7 else 1) for i in range(20)]
    found = answers(Executor(Limited(memory=50), 30, size=BatchSize(8)), requests)
    failed = {name: r.failure for name, r in found.items() if r.failure is not None}
    assert failed.keys() == {"7"}
    assert failed["7"] is not None
    assert (failed["7"].stage, failed["7"].type) == ("generate", "OutOfMemory")


def test_what_a_batch_answered_before_it_ran_out_of_memory_is_not_asked_again() -> None:
    class Half(Limited):
        def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
            names = [one.sample_id for one in requests]
            self.batches.append(names)
            for name in names[:3]:
                yield Response(name, Text("good"))
            if len(names) > 3:
                raise OutOfMemory("the rest is too large")

    backend = Half()
    found = answers(Executor(backend, 30, size=BatchSize(8)), [request(str(i)) for i in range(9)])
    assert all(response.failure is None for response in found.values())
    assert backend.batches[0] == list("01234567")
    assert backend.batches[1] == list("3456")
    assert not set("012") & {name for batch in backend.batches[1:] for name in batch}


def test_auto_grows_while_it_pays_and_stops_at_the_limit() -> None:
    backend = Limited(memory=20)
    backend.seconds = 0.01  # a batch: the more in it, the higher the throughput
    size = BatchSize(1, auto=True)
    answers(Executor(backend, 30, size=size), [request(str(i)) for i in range(300)])
    sizes = [len(batch) for batch in backend.batches]
    assert sizes[:8] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert size.current == 16
    assert max(sizes) == 32  # tried, and too large
    assert size.to_json()["out_of_memory"] == 1


def test_auto_goes_back_when_a_larger_batch_is_not_faster() -> None:
    size = BatchSize(1, auto=True)
    for _ in range(2):
        size.done(1, 1, 1.0)
    for _ in range(2):
        size.done(2, 2, 1.0)
    for _ in range(2):
        size.done(4, 4, 1.95)  # hardly faster than 2 a second
    assert size.current == 2
    size.done(2, 2, 0.1)
    assert size.current == 2
    size.start_task()
    for _ in range(2):
        size.done(2, 2, 1.0)
    assert size.current == 4, "another task is measured anew"


@pytest.mark.parametrize("batch_size", [1, 5, 12, "auto", None])
def test_scores_do_not_depend_on_the_batch_size(world: World, batch_size: Any) -> None:
    whole = world.evaluate(out=str(world.root / "whole"), batch_size=3)
    result = world.evaluate(batch_size=batch_size)
    assert json.dumps(result.scores) == json.dumps(whole.scores)
    assert len(records_of(result.path)) == 12
    assert sorted(world.started()) == sorted([*records_of(whole.path)] * 2)
    batch = result.data["timings"]["captions"]["batch"]
    used = sum(int(size) * count for size, count in batch["batches"].items())
    assert used == 12


def test_the_backend_s_wish_holds_without_a_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.backends_for_tests import Counting

    monkeypatch.setattr(Counting, "batch_size", 7)
    result = world.evaluate()
    assert result.data["timings"]["captions"]["batch"]["batches"] == {"5": 1, "7": 1}
    assert result.data["options"]["batch_size"] is None

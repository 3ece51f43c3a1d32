"""How many requests are under way, and how they are fed."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from models.openai.faulty_server import FaultyServer

from mio_eval.errors import RunError
from mio_eval.models.openai.flow import Flow
from mio_eval.models.openai.loop import Feed, LoopThread
from mio_eval.types import Request, Text

Make = Callable[..., Any]


def questions(count: int) -> list[Request]:
    return [Request(str(n), (Text(f"question {n}"),), "text") for n in range(count)]


async def _rounds() -> list[float]:
    flow = Flow(32)
    seen = [flow.limit]
    for _ in range(8):
        async with flow.turn():
            flow.succeeded()
    seen.append(flow.limit)  # slow start: one more each success
    async with flow.turn() as began:
        flow.overloaded(began)
        flow.overloaded(began)  # of the same burst: no second cut
    seen.append(flow.limit)
    for _ in range(6):
        async with flow.turn():
            flow.succeeded()
    seen.append(flow.limit)  # one more after a round of successes
    for _ in range(20):
        await asyncio.sleep(0.001)
        async with flow.turn() as began:
            flow.overloaded(began)
    seen.append(flow.limit)
    return seen


def test_the_limit_grows_by_one_a_round_and_is_halved() -> None:
    start, grown, halved, slowly, least = asyncio.run(_rounds())
    assert (start, grown, halved, least) == (4, 12, 6, 1)
    assert 6.8 < slowly <= 7


def test_the_server_never_sees_more_than_the_limit(server: FaultyServer, backend: Make) -> None:
    server.delay = 0.05
    responses = list(backend(max_concurrency=5).generate(questions(60)))
    assert len(responses) == 60
    assert 1 < server.most_under_way <= 5
    server.most_under_way = 0
    list(backend(max_concurrency=1).generate(questions(5)))
    assert server.most_under_way == 1


def test_an_overloaded_server_is_asked_less(server: FaultyServer, backend: Make) -> None:
    """A server that takes three at a time and refuses the rest."""
    server.delay = 0.02
    server.script = lambda asked: "503" if asked.method == "POST" and server.under_way > 3 else ""
    made = backend(max_concurrency=32, retries=60)
    responses = list(made.generate(questions(120)))
    assert [r.failure for r in responses] == [None] * 120
    assert made._flow.cuts > 0
    assert made._flow.limit < 16
    assert server.most_under_way < 20
    refused = len(server.posts) - 120
    assert refused < 60, "much of what was sent was in vain"


@pytest.mark.parametrize("kind", [list, iter])
def test_lists_and_streams_are_answered_each_once(
    server: FaultyServer, backend: Make, kind: Callable[..., Any]
) -> None:
    made = backend()
    assert made.streams
    for _ in range(2):
        ids = [r.sample_id for r in made.generate(kind(questions(40)))]
        assert sorted(ids) == sorted(str(n) for n in range(40))
    assert list(made.generate(kind([]))) == []


def test_a_stream_is_read_no_further_than_needed(server: FaultyServer, backend: Make) -> None:
    read: list[int] = []

    def endless() -> Iterator[Request]:
        for n in itertools.count():
            read.append(n)
            yield Request(str(n), (Text(f"question {n}"),), "text")

    stream = backend(max_concurrency=4).generate(endless())
    for _ in range(10):
        next(stream)
    stream.close()
    time.sleep(0.2)
    assert len(read) <= 10 + 4 + 1
    assert len(server.posts) <= 15


def test_a_stream_may_wait_for_its_own_answers(server: FaultyServer, backend: Make) -> None:
    """An engine that gives the next request only when the last is answered must not dead-lock."""
    answered = threading.Semaphore(1)

    def one_at_a_time() -> Iterator[Request]:
        for request in questions(6):
            assert answered.acquire(timeout=10)
            yield request

    done = 0
    for response in backend(max_concurrency=8).generate(one_at_a_time()):
        assert response.failure is None
        done += 1
        answered.release()
    assert done == 6


def test_what_the_stream_raises_comes_out(server: FaultyServer, backend: Make) -> None:
    def broken() -> Iterator[Request]:
        yield from questions(2)
        raise RunError("the disk is full")

    with pytest.raises(RunError, match="disk is full"):
        list(backend().generate(broken()))


def test_closing_cancels_what_is_under_way(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "silent" if asked.method == "POST" else ""
    made = backend()
    problems: list[BaseException] = []

    def run() -> None:
        try:
            list(made.generate(iter(questions(20))))
        except RunError as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not server.posts:
        time.sleep(0.01)
    start = time.monotonic()
    made.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert time.monotonic() - start < 5
    assert len(problems) == 1
    assert "closed while requests were under way" in str(problems[0])
    names = {thread.name for thread in threading.enumerate()}
    assert "mio-eval-openai" not in names


def test_it_can_be_used_again_after_closing(server: FaultyServer, backend: Make) -> None:
    made = backend()
    assert len(list(made.generate(questions(3)))) == 3
    made.close()
    made.close()
    assert len(list(made.generate(questions(3)))) == 3


def test_a_feed_outlives_a_failing_coroutine() -> None:
    loop = LoopThread()

    async def work(n: int) -> int:
        await asyncio.sleep(0.001)
        if n == 3:
            raise ValueError("three")
        return n

    done: list[int] = []
    with pytest.raises(ValueError, match="three"):
        done.extend(Feed(loop, work, 1).run(range(10)))
    assert done == [0, 1, 2]
    loop.close()
    assert not loop.alive
    with pytest.raises(RunError, match="closed"):
        list(Feed(loop, work, 1).run([1]))

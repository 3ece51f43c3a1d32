"""Reading and decoding ahead: order, limits, failures, hangs, and an end without lost threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pytest
from engine.test_batching import Limited, answers, request

from mio_eval.engine.batching import BatchSize
from mio_eval.engine.execute import MAX_HANGS, Executor
from mio_eval.engine.prefetch import Pool, Prefetch, mapped_ahead, size_of
from mio_eval.errors import RunError, UsageError
from mio_eval.media import DecodeError
from mio_eval.types import Request, Response, Text


@pytest.fixture
def pool() -> Iterator[Pool]:
    """A pool whose threads must end with it."""
    before = set(threading.enumerate())
    pool = Pool(4)
    yield pool
    pool.close()
    left = [t for t in set(threading.enumerate()) - before if t.is_alive()]
    assert not [thread.name for thread in left]


def take_all(prefetch: Prefetch, count: int) -> Iterator[list[str]]:
    while items := prefetch.take(count):
        yield [item.request.sample_id for item in items]
        prefetch.release(items)


def test_results_keep_their_order_and_errors_their_place(pool: Pool) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        if number == 50:
            raise ValueError("fifty")
        return -number

    found: list[int] = []
    with pytest.raises(ValueError, match="fifty"):
        found.extend(chain.from_iterable(mapped_ahead(pool, work, iter(range(100)), chunk=4)))
    assert found == [-number for number in range(50)]


def test_little_is_read_before_it_is_wanted(pool: Pool) -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    results = mapped_ahead(pool, lambda number: number, items(), ahead=64, chunk=8)
    next(results)
    time.sleep(0.05)
    assert len(read) <= 64 + 8
    results.close()


def test_requests_are_prepared_in_parallel_and_handed_out_in_order(pool: Pool) -> None:
    together = threading.Barrier(4)

    def prepare(one: Request) -> object:
        together.wait(30)  # broken unless four are prepared at once
        time.sleep(0.002 * (int(one.sample_id) % 3))
        return one.sample_id

    prefetch = Prefetch((request(str(i)) for i in range(60)), prepare, pool, timeout=30)
    items = [item for _ in range(12) for item in prefetch.take(5)]
    assert [item.request.prepared for item in items] == [str(i) for i in range(60)]
    assert prefetch.take(5) == []
    prefetch.stop()


def test_prepared_media_stay_within_the_limit(pool: Pool) -> None:
    """The limit is 10 arrays of 1,000 bytes; a batch of 4 is taken each time."""
    prefetch = Prefetch(
        (request(str(i)) for i in range(100)),
        lambda one: {"pixels": [np.zeros(1000, np.uint8)]},
        pool,
        timeout=30,
        limit_bytes=10_000,
    )
    for _ in range(25):
        items = prefetch.take(4)
        time.sleep(0.01)  # time enough to prepare all, were there no limit
        prefetch.release(items)
    assert 4_000 < prefetch.most_held <= 10_000
    prefetch.stop()


def test_a_batch_larger_than_the_limit_is_handed_out(pool: Pool) -> None:
    prefetch = Prefetch(
        (request(str(i)) for i in range(20)),
        lambda one: np.zeros(1000, np.uint8),
        pool,
        timeout=30,
        limit_bytes=2_000,
        limit_count=3,
    )
    assert [len(names) for names in take_all(prefetch, 10)] == [10, 10]
    prefetch.stop()


def test_marks_end_batches(pool: Pool) -> None:
    source: list[Request | None] = [request("0"), request("1"), None, None, request("2"), None]
    prefetch = Prefetch(iter(source), None, pool, timeout=30)
    assert list(take_all(prefetch, 4)) == [["0", "1"], ["2"]]
    prefetch.stop()


def test_an_error_of_reading_comes_after_what_was_read(pool: Pool) -> None:
    def broken() -> Iterator[Request]:
        yield request("0")
        raise UsageError("the data end here")

    prefetch = Prefetch(broken(), None, pool, timeout=30)
    assert [item.request.sample_id for item in prefetch.take(4)] == ["0"]
    with pytest.raises(UsageError, match="the data end here"):
        prefetch.take(4)
    prefetch.stop()


@dataclass
class Holder:
    frames: list[Any]


def test_sizes_count_arrays_images_and_bytes_however_deep() -> None:
    from PIL import Image

    array = np.zeros((10, 10), np.float32)
    value = {"a": [array, (b"123", Holder([array]))], "image": Image.new("RGB", (4, 5)), "n": 7}
    assert size_of(value) == 400 + 3 + 400 + 60
    endless: list[Any] = []
    endless.append(endless)
    assert size_of(endless) == 0


class Decoder(Limited):
    """Prepares with a given function, and answers with what was prepared."""

    def __init__(self, prepare: Callable[[Request], object]) -> None:
        super().__init__()
        self._prepare = prepare

    def prepare(self, request: Request) -> object:
        return self._prepare(request)

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        for one in requests:
            yield Response(one.sample_id, Text(str(one.prepared)))


def test_a_medium_that_cannot_be_decoded_fails_its_sample_alone() -> None:
    def prepare(one: Request) -> object:
        match one.sample_id:
            case "3":
                raise DecodeError("damaged")
            case "4":
                raise FileNotFoundError("gone")
            case "5":
                raise SystemExit("a decoder that exits")
        return one.sample_id

    found = answers(Executor(Decoder(prepare), 30, size=BatchSize(4)), requests_of(9))
    stages = {name: r.failure.stage for name, r in found.items() if r.failure is not None}
    assert stages == {"3": "decode", "4": "data", "5": "decode"}


def test_a_package_that_decoding_lacks_ends_the_run() -> None:
    def prepare(one: Request) -> object:
        raise UsageError("decoding needs a package")

    with pytest.raises(UsageError, match="needs a package"):
        answers(Executor(Decoder(prepare), 30), requests_of(9))


def test_a_decoder_that_hangs_fails_its_sample_alone() -> None:
    stop = threading.Event()

    def prepare(one: Request) -> object:
        if one.sample_id == "2":
            stop.wait(20)
        return one.sample_id

    found = answers_then(stop, Executor(Decoder(prepare), 0.5, threads=1, size=BatchSize(2)))
    failed = {name: r.failure for name, r in found.items() if r.failure is not None}
    assert failed.keys() == {"2"}
    assert failed["2"] is not None
    assert failed["2"].message == "not decoded within 0.5 s (--timeout)"


def answers_then(stop: threading.Event, executor: Executor) -> dict[str, Response]:
    found = {response.sample_id: response for response in chain(*executor.run(requests_of(6)))}
    stop.set()
    executor.close()
    return found


def requests_of(count: int) -> list[Request]:
    return [request(str(i)) for i in range(count)]


def test_the_model_is_busy_while_others_decode() -> None:
    """20 batches of 4: the model takes 20 ms each, decoding 8 ms each on 4 threads."""

    class Slow(Decoder):
        def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
            time.sleep(0.02)
            return super().generate(requests)

    def prepare(one: Request) -> object:
        time.sleep(0.008)
        return 1

    executor = Executor(Slow(prepare), 30, threads=4, size=BatchSize(4))
    answers(executor, requests_of(80))
    assert executor.meter.busy >= 20 * 0.02
    assert executor.meter.decode >= 80 * 0.008
    assert executor.meter.share() > 0.45  # one after the other: below 0.4


class Streaming(Limited):
    """A client that keeps `ahead` requests under way and answers out of order."""

    streams = True

    def __init__(self, ahead: int = 4, fault: str = "") -> None:
        super().__init__()
        self.ahead = ahead
        self.fault = fault
        self.taken: list[str] = []
        self.starts = 0

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        assert not isinstance(requests, Sequence)
        self.starts += 1
        if self.fault == "at once":
            raise ValueError("no server")
        under_way: list[str] = []
        for one in requests:
            self.taken.append(one.sample_id)
            if one.sample_id == self.fault:
                raise ConnectionError("the server went away")
            if f"hang {one.sample_id}" == self.fault:
                time.sleep(3)
            under_way.append(one.sample_id)
            if len(under_way) == self.ahead:
                yield Response(under_way.pop(), Text("good"))
        for name in under_way:
            yield Response(name, Text("good"))


def test_a_stream_is_fed_as_it_takes() -> None:
    backend = Streaming(ahead=4)
    read = []

    def source() -> Iterator[Request]:
        for one in requests_of(2000):
            read.append(one.sample_id)
            yield one

    executor = Executor(backend, 30)
    responses = executor.run(source())
    (first, *more) = next(responses)
    time.sleep(0.1)
    assert first.sample_id in backend.taken
    assert len(read) < 2000, "the queue is bounded"
    rest = [*more, *chain(*responses)]
    executor.close()
    assert len({first.sample_id, *(r.sample_id for r in rest)}) == 2000
    assert backend.starts == 1
    assert backend.taken == [str(i) for i in range(2000)]


def test_a_stream_that_breaks_fails_what_was_under_way_and_goes_on() -> None:
    backend = Streaming(ahead=4, fault="5")
    found = answers(Executor(backend, 30), requests_of(20))
    failed = {name for name, r in found.items() if r.failure is not None}
    assert "5" in failed
    assert failed <= {"0", "1", "2", "3", "4", "5"}
    assert len(failed) <= 4
    assert backend.starts == 2


def test_a_stream_that_never_starts_fails_every_sample() -> None:
    found = answers(Executor(Streaming(fault="at once"), 30), requests_of(5))
    assert {r.failure.type for r in found.values() if r.failure} == {"ValueError"}
    assert len(found) == 5


def test_a_stream_that_hangs_is_given_up_and_another_goes_on() -> None:
    backend = Streaming(ahead=2, fault="hang 5")
    found = answers(Executor(backend, 0.4), requests_of(12))
    failed = {name: r.failure.type for name, r in found.items() if r.failure is not None}
    assert failed.get("5") == "TimeoutError"
    assert len(failed) <= 2


def test_a_run_that_is_left_ends_its_threads() -> None:
    before = set(threading.enumerate())
    executor = Executor(Decoder(lambda one: time.sleep(0.01)), 30, size=BatchSize(2))
    responses = executor.run(requests_of(500))
    next(responses)
    responses.close()
    executor.close()
    end = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.01)
    assert not [thread.name for thread in left]


def test_a_model_that_always_hangs_ends_the_run() -> None:
    class Hanging(Limited):
        def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
            time.sleep(1)
            return super().generate(requests)

    found: list[Response] = []
    executor = Executor(Hanging(), 0.1, size=BatchSize(2))
    with pytest.raises(RunError, match=f"did not answer {MAX_HANGS} batches"):
        found.extend(chain.from_iterable(executor.run(requests_of(20))))
    assert len(found) == 2 * MAX_HANGS

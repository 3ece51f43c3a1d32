"""What a server may do wrong, and what becomes of the request: retried, failed, or the run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from models.openai.conftest import KEY
from models.openai.faulty_server import FaultyServer

from mio_eval.errors import MioEvalError, RunError, UsageError
from mio_eval.models.base import Backend
from mio_eval.models.openai.client import retry_after
from mio_eval.types import Request, Response, Text

Make = Callable[..., Any]


def questions(count: int) -> list[Request]:
    return [Request(str(n), (Text(f"question {n}"),), "text") for n in range(count)]


def ask(backend: Backend, count: int = 1) -> list[Response]:
    return list(backend.generate(questions(count)))


@pytest.mark.parametrize(
    "behaviour",
    [
        *("429:0", "500", "502", "503", "504", "408", "529", "reset", "half", "badjson", "nan"),
        *("wrongjson", "deep", "html", "html502", "error200"),
    ],
)
def test_a_passing_fault_is_retried(server: FaultyServer, backend: Make, behaviour: str) -> None:
    server.script = lambda asked: behaviour if asked.number < 3 and asked.method == "POST" else ""
    (response,) = ask(backend())
    assert response.failure is None
    assert isinstance(response.output, Text)
    assert response.usage["retries"] == 2
    assert len(server.posts) == 3


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        ("429:0", "HTTP429", "told to answer 429:0 (3 tries)"),
        ("500", "HTTP500", "told to answer 500 (3 tries)"),
        ("html502", "HTTP502", "an HTML page titled 'Bad Gateway' (3 tries)"),
        ("reset", "ConnectionError", "(3 tries)"),
        ("half", "ConnectionError", "(3 tries)"),
        ("badjson", "BadResponse", "no JSON"),
        ("html", "BadResponse", "HTML"),
        ("wrongjson", "BadResponse", "no choices"),
    ],
)
def test_a_lasting_fault_fails_the_sample(
    server: FaultyServer, backend: Make, behaviour: str, kind: str, said: str
) -> None:
    server.script = lambda asked: behaviour if asked.method == "POST" else ""
    (response,) = ask(backend(retries=2))
    assert response.failure is not None
    assert response.failure.type == kind
    assert said in response.failure.message
    assert len(response.failure.message) < 500
    assert len(server.posts) == 3


@pytest.mark.parametrize("behaviour", ["400", "413", "422"])
def test_a_refused_request_is_not_sent_again(
    server: FaultyServer, backend: Make, behaviour: str
) -> None:
    server.script = lambda asked: behaviour if "question 1" in asked.body.decode() else ""
    responses = {r.sample_id: r for r in ask(backend(), 3)}
    assert responses["1"].failure is not None
    assert responses["1"].failure.type == f"HTTP{behaviour}"
    assert f"told to answer {behaviour}" in responses["1"].failure.message
    assert responses["0"].failure is responses["2"].failure is None
    assert len(server.posts) == 3


@pytest.mark.parametrize("behaviour", ["401", "402", "403", "404", "quota", "redirect:evil.test"])
def test_what_concerns_every_request_stops_the_run(
    server: FaultyServer, backend: Make, behaviour: str
) -> None:
    server.script = lambda asked: behaviour if asked.method == "POST" else ""
    with pytest.raises(UsageError, match=r"refused the first request with HTTP\d\d\d"):
        ask(backend(max_concurrency=1), 30)
    assert len(server.posts) == 1


def test_it_stops_a_run_that_had_gone_well(server: FaultyServer, backend: Make) -> None:
    """A key that is withdrawn on the way: some samples fail, then the run stops."""
    server.script = lambda asked: "401" if asked.order > 20 else ""
    done: list[Response] = []
    with pytest.raises(RunError, match=r"12 requests in a row.*HTTP401"):
        done.extend(backend(max_concurrency=4).generate(iter(questions(200))))
    assert sum(r.failure is None for r in done) == 20
    assert len(server.posts) < 50


def test_a_dead_server_does_not_keep_the_run_waiting(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "reset" if asked.order > 5 else ""
    done: list[Response] = []
    with pytest.raises(RunError, match="Everything finished is kept"):
        done.extend(backend(retries=1, max_concurrency=4).generate(iter(questions(500))))
    assert sum(r.failure is None for r in done) == 5


@pytest.mark.parametrize("behaviour", ["429:1", "429-date"])
def test_retry_after_is_honoured(server: FaultyServer, backend: Make, behaviour: str) -> None:
    server.script = lambda asked: behaviour if asked.number == 1 else ""
    (response,) = ask(backend(check="off"))
    assert response.failure is None
    first, second = server.posts
    # An HTTP date has whole seconds: up to one second less than was meant.
    assert second.at - first.at >= (0.95 if behaviour == "429:1" else 0.0)
    assert second.at - first.at < 3


def test_retry_after_holds_back_the_other_requests_too(server: FaultyServer, backend: Make) -> None:
    first: list[float] = []
    lock = threading.Lock()

    def script(asked: Any) -> str:
        with lock:
            if not first:
                first.append(asked.at)
                return "429:1"
        return ""

    server.script = script
    assert all(r.failure is None for r in ask(backend(check="off", max_concurrency=2), 6))
    early = [asked for asked in server.posts if asked.at < first[0] + 0.95]
    assert len(early) <= 2, "what was under way already, and nothing more"
    assert len(server.posts) == 7


def test_a_wait_beyond_the_deadline_fails_at_once(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "429:3600" if asked.method == "POST" else ""
    start = time.monotonic()
    (response,) = ask(backend(deadline=5))
    assert time.monotonic() - start < 3
    assert response.failure is not None
    assert "the next only in 36" in response.failure.message


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after("7") == 7
    assert retry_after("0") == retry_after("-3") == 0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after(None) is retry_after("soon") is retry_after("nan") is None


@pytest.mark.parametrize("behaviour", ["drip", "silent"])
def test_a_slow_server_meets_the_time_limit(
    server: FaultyServer, backend: Make, behaviour: str
) -> None:
    server.script = lambda asked: behaviour if asked.method == "POST" else ""
    start = time.monotonic()
    (response,) = ask(backend(timeout=0.3, retries=1))
    assert time.monotonic() - start < 5
    assert response.failure is not None
    assert response.failure.type == "Timeout"
    assert "2 tries" in response.failure.message


def test_the_deadline_bounds_all_tries(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "silent" if asked.method == "POST" else ""
    start = time.monotonic()
    (response,) = ask(backend(timeout=0.4, retries=100, deadline=1))
    assert 0.5 < time.monotonic() - start < 4
    assert response.failure is not None
    assert response.failure.type == "Timeout"
    assert len(server.posts) < 6


def test_a_huge_body_is_cut_off(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "huge" if asked.method == "POST" else ""
    (response,) = ask(backend())
    assert response.failure is not None
    assert response.failure.type == "TooLarge"
    assert len(server.posts) == 1


def test_a_key_echoed_by_the_server_is_hidden(server: FaultyServer, backend: Make) -> None:
    server.script = lambda asked: "echo-key:400" if asked.method == "POST" else ""
    (response,) = ask(backend())
    assert server.posts[0].headers["authorization"] == f"Bearer {KEY}"
    assert response.failure is not None
    assert KEY not in repr(response)
    assert "[key]" in response.failure.message


def load_and_ask(backend: Backend) -> None:
    backend.load(["text"], "text")
    ask(backend)


@pytest.mark.parametrize("status", [401, 403])
def test_it_is_hidden_where_the_run_stops_too(
    server: FaultyServer, backend: Make, status: int
) -> None:
    server.script = lambda asked: f"echo-key:{status}"
    for check in ("on", "off"):
        made = backend(check=check)
        with pytest.raises(MioEvalError) as caught:
            load_and_ask(made)
        assert KEY not in str(caught.value)
        assert KEY not in repr(made.__dict__)


def test_a_redirect_does_not_carry_the_key_elsewhere(server: FaultyServer, backend: Make) -> None:
    with FaultyServer() as other:
        target = other.url.removeprefix("http://").removesuffix("/v1")
        server.script = lambda asked: f"redirect:{target}"
        with pytest.raises(UsageError, match="redirect"):
            backend().load(["text"], "text")
        with pytest.raises(UsageError, match="redirect"):
            ask(backend())
        assert not other.asked

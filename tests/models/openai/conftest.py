"""Servers and backends for the tests of the `openai` backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine.worlds import World, make_world
from models.openai.faulty_server import FaultyServer

from mio_eval.models import create_model
from mio_eval.models.base import Backend
from mio_eval.models.openai import client

KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no proxies, and retries that do not keep the tests waiting."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(client, "_FIRST_BOUND", 0.02)
    monkeypatch.setattr(client, "_LAST_BOUND", 0.05)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as made:
        yield made


@pytest.fixture
def backend(server: FaultyServer) -> Iterator[Callable[..., Backend]]:
    """Make backends for `server`; they are closed at the end."""
    made: list[Backend] = []

    def make(**arguments: object) -> Backend:
        given = {"model": "test-model", "base_url": server.url, **arguments}
        made.append(create_model("openai", {name: str(value) for name, value in given.items()}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def world(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, data_dir, monkeypatch)

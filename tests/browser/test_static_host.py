"""The same pages from a plain web server: nothing but its own files is asked for."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mio_eval.report.html import write_html
from mio_eval.report.html.site import write_site
from mio_eval.report.leaderboard import find_runs


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def host(world, speech):
    """Serve a leaderboard and a report folder; gives the address."""
    write_site(find_runs([world.folder / "runs"]), world.folder / "web", title="Board")
    write_html(world.reports(speech), world.folder / "web" / "report")
    handler = partial(Handler, directory=str(world.folder / "web"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("place", "ready"),
    [("index.html", ".group"), ("report/index.html#task-0", ".row")],
    ids=["leaderboard", "report"],
)
def test_only_its_own_files_are_asked_for(browser, host, place, ready):
    browser.driver.get("about:blank")
    browser.console()
    browser.network()
    browser.driver.get(host + place)
    browser.wait("return document.querySelector(arguments[0]) !== null", ready)
    if ready == ".row":
        browser.wait("const a = document.querySelector('audio'); return a && a.duration > 0")
    assert browser.console() == []
    asked = browser.network()
    assert len(asked) >= 1
    assert [url for url in asked if not url.startswith((host, "data:", "blob:"))] == []

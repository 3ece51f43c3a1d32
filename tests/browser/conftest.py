"""A real browser, and runs to look at. One browser a module; every test opens what it needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from conftest import write_jsonl
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from mio_eval.engine import Options, evaluate
from mio_eval.report.runs import read_runs
from mio_eval.shipped import shipped

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = (
    "browser tests need Chromium and its driver: install them (Debian: chromium chromium-driver), "
    'or leave these tests out with -m "not browser"'
)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
    *("--window-size=1280,900", "--autoplay-policy=no-user-gesture-required", "--mute-audio"),
)
WAIT = 20  # seconds; a busy machine is slow


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Browser:
    """A Chromium with what the tests ask of it."""

    driver: webdriver.Chrome
    page: Path | None = None

    def open(self, page, fragment=""):
        """Open a file, and wait until its scripts have run."""
        self.driver.get("about:blank")
        self.console()
        self.network()
        self.page = Path(page)
        self.driver.get(self.page.absolute().as_uri() + fragment)
        self.wait("return document.documentElement.dataset.ready === 'true'")

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, *arguments):
        """Wait until a script returns something true, and return it."""
        return WebDriverWait(self.driver, WAIT, poll_frequency=0.05).until(
            lambda driver: driver.execute_script(script, *arguments)
        )

    def go(self, fragment, ready):
        """Go to a view of the open page and wait for an element."""
        self.js("location.hash = arguments[0]", fragment)
        self.wait("return document.querySelector(arguments[0]) !== null", ready)

    def task(self, number):
        """Open a task and wait for its samples."""
        self.go(f"#task-{number}", ".row")

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def all_text(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.js(script, selector)

    def count(self):
        return self.text("#count")

    def key(self, key):
        """Press a key where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(key).perform()

    def set(self, selector, value, event="change"):
        """Set a control as a user does, and let the page know."""
        script = """
        const element = document.querySelector(arguments[0]);
        element.value = arguments[1];
        element.dispatchEvent(new Event(arguments[2], { bubbles: true }));
        """
        self.js(script, selector, value, event)

    def console(self):
        """Return what the page logged since the last call."""
        return self.driver.get_log("browser")

    def network(self):
        """Return the addresses that were asked for since the last call."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
            if message["method"] == "Network.webSocketCreated":
                found.append(message["params"]["url"])
        return found

    def assert_quiet(self):
        """No console message, no script of a model, no request that leaves the page."""
        assert self.console() == []
        outside = [u for u in self.network() if not u.startswith(("file:", "data:", "blob:"))]
        assert [url for url in outside if url != "about:blank"] == []
        assert self.js("return typeof window.__pwned") == "undefined"


@pytest.fixture(scope="module")
def browser():
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.fail(MISSING, pytrace=False)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Listener:
    """A server on this machine that notes what it is asked for: it must be asked for nothing."""

    def __init__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/spy.png"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.server.shutdown()
    found.server.server_close()


@dataclass(frozen=True)
class World:
    """Runs on the bundled samples, made from predictions."""

    folder: Path

    def run(self, name, task, answers, **options):
        digest = hashlib.sha256(f"{name} {task}".encode()).hexdigest()[:12]
        path = write_jsonl(self.folder / f"{digest}.jsonl", answers)
        before, os.environ["PATH"] = os.environ["PATH"], os.devnull  # no Java: METEOR is slow
        try:
            result = evaluate(
                Options(
                    tasks=(task,),
                    model="predictions",
                    model_args={"path": str(path), "name": name},
                    out=str(self.folder / "runs"),
                    cache=False,
                    **({"data": "sample"} | options),
                )
            )
        finally:
            os.environ["PATH"] = before
        return result.path

    def reports(self, paths):
        return read_runs(paths)


def ids_and_references(task):
    """Read the bundled samples of a task."""
    from mio_eval.data.sources import open_source
    from mio_eval.tasks import get_task

    return list(open_source(get_task(task), "sample"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def speech(world):
    """Two transcribers: the second leaves words out, puts one in and mistakes another."""
    samples = ids_and_references("librispeech")
    first = [{"id": s.id, "text": s.references[0].lower()} for s in samples]
    second = [dict(line) for line in first]
    words = second[0]["text"].split()
    second[0]["text"] = " ".join(["wrong", *words[1:4], "added", *words[6:], "now"])
    second[3]["text"] = second[3]["text"].rpartition(" ")[0]
    return [world.run("exact", "librispeech", first), world.run("careless", "librispeech", second)]


@pytest.fixture(scope="module")
def captions(world):
    """A captioner without an answer for three images."""
    lines = [{"id": s.id, "text": s.references[1]} for s in ids_and_references("coco_caption")]
    return world.run("captioner", "coco_caption", lines[:-3], allow_partial=True)


@pytest.fixture(scope="module")
def pictures(world):
    """Generated images: the real ones, so that all are there. SSIM alone: it needs no judge."""
    text = (shipped("tasks") / "coco_t2i.yaml").read_text(encoding="utf-8")
    head, rest = text.split("metrics: [", 1)
    own = head.replace("name: coco_t2i", "name: drawing") + "metrics: [ssim]\nprimary: ssim\n"
    (world.folder / "tasks").mkdir()
    (world.folder / "tasks" / "drawing.yaml").write_text(own + rest[rest.index("protocol:") :])
    patch = pytest.MonkeyPatch()
    patch.setenv("MIO_EVAL_TASKS", str(world.folder / "tasks"))
    lines = []
    (world.folder / "made").mkdir()
    for sample in ids_and_references("drawing"):
        shutil.copy(sample.targets["image"].path, world.folder / "made" / f"{sample.id}.jpg")
        lines.append({"id": sample.id, "image": f"made/{sample.id}.jpg"})
    yield world.run("painter", "drawing", lines)
    patch.undo()


@pytest.fixture(scope="module")
def videos(world):
    lines = [{"id": s.id, "text": "a dog"} for s in ids_and_references("msrvtt_qa")]
    return world.run("watcher", "msrvtt_qa", lines)

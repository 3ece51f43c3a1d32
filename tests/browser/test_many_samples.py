"""Ten thousand samples: the page opens quickly, scrolls, searches, and keeps few rows."""

from __future__ import annotations

import json
import time

import pytest
from selenium.webdriver.common.keys import Keys

from mio_eval.report.html import write_html

COUNT = 10_000


@pytest.fixture(scope="module")
def run(world, speech):
    """A run of which the one task has ten thousand samples."""
    path = speech[1]
    folder = path / "librispeech"
    record = json.loads((folder / "samples.jsonl").read_text().splitlines()[0])
    line = json.loads((folder / "stats.jsonl").read_text().splitlines()[0])
    with (folder / "samples.jsonl").open("w") as samples, (folder / "stats.jsonl").open("w") as out:
        for number in range(COUNT):
            text = f"answer number {number} of a made-up model"
            samples.write(json.dumps(record | {"id": str(number), "output": {"text": text}}) + "\n")
            score = {"wer": number % 97, "cer": 1.0, "wer_utt_mean": 2.0}
            out.write(json.dumps(line | {"id": str(number), "scores": score}) + "\n")
    return path


@pytest.fixture(params=["file", "folder"])
def page(request, browser, world, run):
    out = world.folder / "many" / ("page.html" if request.param == "file" else "pages")
    place = write_html(world.reports([run]), out, inputs=False)
    yield place
    browser.assert_quiet()


def rows(browser):
    return browser.js("return document.querySelectorAll('.row').length")


def test_opens_scrolls_and_searches(browser, page):
    tries = []
    for _ in range(3):  # the quickest counts: other programs may keep the machine busy
        start = time.perf_counter()
        browser.open(page, "#task-0")
        browser.wait("return document.querySelector('.row') !== null")
        tries.append(time.perf_counter() - start)
        if tries[-1] < 3.0:
            break
    assert min(tries) < 3.0
    assert browser.count() == "10,000 samples"
    assert rows(browser) < 60

    browser.js("document.querySelector('#samples').scrollTop = 5000 * 56")
    browser.wait("return document.querySelector('.row[data-at=\"5000\"]') !== null")
    assert rows(browser) < 60
    assert browser.text(".row[data-at='5000'] .snippet") == "answer number 5000 of a made-up model"

    browser.js("document.querySelector('#samples').focus()")
    browser.key(Keys.END)
    browser.wait("return document.querySelector('#sample-title').textContent === 'Sample 9999'")
    assert rows(browser) < 60
    at = browser.js(
        "const row = document.querySelector('.row[aria-selected=true]');"
        "return [row.getAttribute('aria-posinset'), row.getAttribute('aria-setsize')]"
    )
    assert at == ["10000", "10000"]

    browser.set("#search", "number 4711 ", "input")
    browser.wait("return document.querySelector('#count').textContent === '1 of 10,000 samples'")
    browser.set("#search", "", "input")
    browser.wait("return document.querySelector('#count').textContent === '10,000 samples'")
    browser.set("#sort", "worst")
    assert browser.text(".row[data-at='0'] .numbers") == "96"

"""The report in a real browser: opens from a file, filters, sorts, plays, shows, keeps quiet."""

from __future__ import annotations

import re

import pytest
from selenium.webdriver.common.keys import Keys

from mio_eval.report.html import write_html

MEDIA = {
    "image": "e.complete && e.naturalWidth > 0",
    "audio": "e.readyState >= 1 && e.duration > 0",
    "video": "e.readyState >= 1 && e.videoWidth > 0",
}


@pytest.fixture(scope="module")
def places(world, speech, captions, pictures, videos):
    """The same runs as one file and as a folder; tasks 0 to 3: speech, captions, images, video."""
    folder = world.folder / "reports"
    runs = world.reports([speech[0], speech[1], captions, pictures, videos])
    return {
        "file": write_html(runs, folder / "one.html"),
        "folder": write_html(runs, folder / "many"),
    }


@pytest.fixture(params=["file", "folder"])
def page(request, browser, places):
    browser.open(places[request.param])
    yield browser
    browser.assert_quiet()


@pytest.fixture
def single(browser, places):
    browser.open(places["file"])
    yield browser
    browser.assert_quiet()


def ids(browser):
    """The ids of the rows in sight, top to bottom."""
    script = """
    return [...document.querySelectorAll(".row")]
      .sort((a, b) => a.dataset.at - b.dataset.at).map((row) => row.dataset.id)
    """
    return browser.js(script)


def chosen(browser):
    return browser.js("return document.querySelector('.row[aria-selected=true]').dataset.id")


def until_count(browser, text):
    browser.wait("return document.querySelector('#count').textContent === arguments[0]", text)


def test_overview_has_every_task_its_value_and_its_chart(page):
    headings = page.all_text("main .card h3 a")
    assert headings == ["librispeech", "coco_caption", "drawing", "msrvtt_qa"]
    rows = page.all_text("#overview-0 tbody tr")
    assert rows[0].startswith("exactWER % ↓0.00[0.00, 0.00]12/120SAMPLE")
    assert rows[1].startswith("carelessWER % ↓")
    painted = """
    return [...document.querySelectorAll("canvas")].map((c) =>
      new Set(c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size)
    """
    colours = page.js(painted)
    assert len(colours) == 4
    assert min(colours) > 3  # not blank
    labels = page.js(
        "return [...document.querySelectorAll('canvas')].map((c) => c.getAttribute('aria-label'))"
    )
    assert all("95 % intervals" in label for label in labels)


def test_image_and_audio_and_video_of_prompts_are_shown(page):
    for number, kind, element in (
        (1, "image", "img"),
        (0, "audio", "audio"),
        (3, "video", "video"),
    ):
        page.task(number)
        selector = f".detail figure.{kind} {element}"
        page.wait(f"const e = document.querySelector('{selector}'); return e && {MEDIA[kind]}")


def test_generated_image_stands_beside_its_target(page):
    page.task(2)
    shown = "return [...document.querySelectorAll('.detail img')]"
    page.wait(f"{shown}.filter((e) => {MEDIA['image']}).length === 2")
    assert [h for h in page.all_text(".detail h3") if h in ("Output", "Target")] == [
        "Output",
        "Target",
    ]


def test_audio_plays(page):
    page.task(0)
    page.js("window.player = document.querySelector('.detail audio')")
    done = "arguments[arguments.length - 1]"
    page.driver.set_script_timeout(20)
    result = page.driver.execute_async_script(
        f"window.player.play().then(() => {done}('playing'), (e) => {done}(String(e)))"
    )
    assert result == "playing"
    page.wait("return window.player.currentTime > 0.1")


def test_word_alignment_shows_every_kind_of_error(single):
    single.task(0)
    until_count(single, "12 samples")
    single.set("#second-run", "")
    single.set("#first-run", "1")
    until_count(single, "12 samples")
    single.set("#sort", "worst")
    single.wait("return document.querySelector('.row[data-at=\"0\"]').dataset.id.includes('-')")
    single.js("document.querySelector('.row[data-at=\"0\"]').click()")
    assert chosen(single) == "9001-900101-0000"
    # The reference: "and mister john dashwood had then leisure … them"; said: "wrong mister john
    # dashwood added leisure … them now": two words mistaken, one left out, one put in.
    assert single.text(".alignment .substitute del") == "and"
    assert single.text(".alignment .substitute ins") == "wrong"
    assert single.text(".alignment .insert ins") == "now"
    assert len(single.all_text(".alignment .delete del")) == 1
    assert single.text(".legend") == "2 substitutions 1 deletion 1 insertion"
    colours = {
        kind: single.js(
            f"return getComputedStyle(document.querySelector('.legend .{kind}')).backgroundColor"
        )
        for kind in ("substitute", "delete", "insert")
    }
    assert len(set(colours.values())) == 3


def test_search_and_filters(page):
    page.task(1)
    until_count(page, "20 samples")
    page.set("#search", "space suit", "input")
    until_count(page, "1 of 20 samples")
    assert ids(page) == ["9000001"]
    page.set("#search", "", "input")
    until_count(page, "20 samples")
    page.set("#status", "failed")
    until_count(page, "3 of 20 samples")
    assert len(ids(page)) == 3
    assert "LookupError" in page.text(".detail .problem")
    page.set("#status", "ok")
    until_count(page, "17 of 20 samples")


def test_sorting_by_score(page):
    page.task(1)
    until_count(page, "20 samples")
    for order, sign in (("best", -1), ("worst", 1)):
        page.set("#sort", order)
        page.wait("return document.querySelector('.row[data-at=\"0\"]') !== null")
        script = """
        return [...document.querySelectorAll(".row")].sort((a, b) => a.dataset.at - b.dataset.at)
          .map((row) => row.querySelector(".numbers").textContent)
        """
        values = [float(text) for text in page.js(script) if text != "–"]
        assert len(values) > 8
        assert values == sorted(values, key=lambda value: sign * value)


def test_two_runs_side_by_side_sorted_by_change(page):
    page.task(0)
    until_count(page, "12 samples")
    assert page.js("return document.querySelector('#sort').value") == "change"
    assert ids(page)[0] == "9001-900101-0000"
    assert page.text(".row[data-at='0'] .numbers").endswith(" worse")
    assert [text for text in page.all_text(".side h3") if text.startswith("Output")] == [
        "Output of exact",
        "Output of careless",
    ]
    page.set("#status", "worse")
    until_count(page, "2 of 12 samples")


def test_failures_lead_to_their_samples(page):
    page.go("#failures", "main table button")
    assert page.all_text("main tbody tr th, main tbody tr td")[:4] == [
        "generate",
        "LookupError",
        "captioner",
        "3",
    ]
    page.js("document.querySelector('main table button').click()")
    until_count(page, "3 of 20 samples")


def test_definitions_and_signatures(single):
    single.go("#definitions", "#metric-wer")
    text = single.text("#metric-wer")
    assert "Word error rate of the corpus" in text
    assert "wer|agg:corpus|norm:whisper-en|asr:-|n:12|v:" in text
    assert single.all_text("#metric-wer .keys:first-of-type dt")[:3] == ["agg", "norm", "asr"]


def test_published_rows_and_flags(single):
    single.task(1)
    rows = single.all_text("main details table tbody tr")
    assert any(row.startswith("Emu-Base (14B)112.4") for row in rows)
    assert any("suspected column shift" not in row for row in rows)
    assert re.match(r"SAMPLE: 20 bundled samples", single.text(".flag"))


def test_keyboard(page):
    page.task(1)
    until_count(page, "20 samples")
    page.js("document.querySelector('#samples').focus()")
    first = chosen(page)
    page.key("j")
    second = chosen(page)
    assert second != first
    page.key(Keys.ARROW_DOWN)
    page.key("k")
    assert chosen(page) == second
    page.key(Keys.END)
    assert chosen(page) == "9000020"
    page.key("/")
    assert page.js("return document.activeElement.id") == "search"
    page.key("space suit")
    until_count(page, "1 of 20 samples")
    page.key(Keys.ESCAPE)
    until_count(page, "20 samples")
    page.key(Keys.ESCAPE)
    assert page.js("return document.activeElement.id") == "samples"
    page.key(Keys.ENTER)
    assert page.js("return document.activeElement.id") == "sample-title"
    page.key("]")
    page.wait("return location.hash === '#task-2'")
    page.key("?")
    assert page.js("return document.querySelector('#help').open")
    page.key(Keys.ESCAPE)
    assert not page.js("return document.querySelector('#help').open")
    page.key("o")
    page.wait("return location.hash === '#overview'")


def background(browser):
    return browser.js("return getComputedStyle(document.body).backgroundColor")


def emulate(browser, scheme):
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def test_dark_and_light(single):
    single.js("localStorage.clear(); delete document.documentElement.dataset.theme")
    emulate(single, "light")
    assert background(single) == "rgb(255, 255, 255)"
    emulate(single, "dark")
    single.wait("return getComputedStyle(document.body).backgroundColor === 'rgb(20, 24, 31)'")
    single.key("t")
    assert background(single) == "rgb(255, 255, 255)"
    single.js("document.querySelector('#theme-button').click()")
    assert background(single) == "rgb(20, 24, 31)"
    emulate(single, "")
    single.js("localStorage.clear()")


CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (c) => (c /= 255, c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
const found = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !e.getClientRects().length || e.closest(".hidden, .skip, script, select")) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio]);
}
return found;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(single, theme):
    """WCAG 2.2, 1.4.3: text stands out from what is behind it, 4.5 to 1."""
    single.js("document.documentElement.dataset.theme = arguments[0]", theme)
    assert single.js(CONTRAST) == []
    single.task(0)
    until_count(single, "12 samples")
    assert single.js(CONTRAST) == []


UNNAMED = """
const named = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
  || e.closest("label")?.querySelector("span")?.textContent || e.alt || e.textContent.trim();
return [...document.querySelectorAll("input, select, button, a, img, audio, video, canvas, [role]")]
  .filter((e) => !["presentation", "status"].includes(e.getAttribute("role")) && !named(e))
  .map((e) => e.outerHTML.slice(0, 80));
"""


def test_everything_has_a_name_and_ids_are_unique(single):
    for fragment, ready in (("#overview", ".card"), ("#task-0", ".row"), ("#failures", "table")):
        single.go(fragment, ready)
        assert single.js(UNNAMED) == []
        ids_ = single.js("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids_) == len(set(ids_))
    assert single.js("return document.documentElement.lang") == "en"


def test_the_policy_stops_scripts_and_connections(browser, places, listener):
    """The net below the text nodes: were markup to get in, nothing would run or be sent."""
    browser.open(places["file"])
    browser.js(
        """
        const script = document.createElement("script");
        script.textContent = "window.__pwned = 1";
        document.body.append(script);
        const box = document.createElement("div");
        box.innerHTML = "<img src=x onerror='window.__pwned = 2'>";
        document.body.append(box);
        const far = document.createElement("img");
        far.addEventListener("error", () => { window.refused = (window.refused || 0) + 1; });
        far.src = arguments[0];
        document.body.append(far);
        fetch(arguments[0]).catch(() => { window.refused = (window.refused || 0) + 1; });
        """,
        listener.address,
    )
    browser.wait("return window.refused === 2")
    said = " ".join(entry["message"] for entry in browser.console())
    assert "Content Security Policy" in said
    assert browser.js("return typeof window.__pwned") == "undefined"
    assert listener.asked == []

"""What a model writes stays text: nothing of it runs, is fetched, or hides."""

from __future__ import annotations

import json

import pytest

from mio_eval.report.html import write_html
from mio_eval.report.html.site import write_site
from mio_eval.report.leaderboard import find_runs

HOSTILE = {
    "script": "<script>window.__pwned = 1</script>",
    "closing": "</script><script>window.__pwned = 2</script><!-- <script> \"'",
    "onerror": "<img src=x onerror='window.__pwned = 3'><svg onload=window.__pwned=4>",
    "link": '<a href="javascript:window.__pwned=5">javascript:alert(1)</a>',
    "frame": "<iframe srcdoc='<script>parent.__pwned = 6</script>'></iframe>",
    "style": "</style><style>body { display: none }</style>",
    "css": "<link rel=stylesheet href=http://127.0.0.1:9/x.css><base href=http://127.0.0.1:9/>",
    "template": "{{ 7 * 7 }}{% raw %}${window.__pwned = 8}`",
    "latex": r"\input{/etc/passwd} $\write18{id}$ % & # _ ^ ~",
    "formula": '=HYPERLINK("http://127.0.0.1:9","x")',
    "separators": "a\u2028b\u2029c\x00d\x1b[31me",
    "entities": "&lt;b&gt; &amp; &#x3c;",
}
RTL = "user\u202egnp.exe\u2066\u202c"
LONG = "A long answer. " * 70_000  # one million characters


@pytest.fixture(scope="module")
def run(world, speech):
    """A run whose outputs, errors, ids, references and metadata are replaced by hostile text."""
    path = world.run(
        "<script>window.__pwned = 20</script>",
        "librispeech",
        [
            {"id": json.loads(line)["id"], "text": "x"}
            for line in (speech[0] / "librispeech" / "samples.jsonl").read_text().splitlines()
        ],
    )
    data = json.loads((path / "run.json").read_text())
    data["command"] = [*data["command"], "<img src=x onerror='window.__pwned = 21'>"]
    data["model"]["revision"] = "</script><script>window.__pwned = 22</script>"
    data["groups"] = {
        "librispeech": {
            "wer": {
                "<b onclick=x>": {
                    **{"value": 1.0, "ci_low": 0.5, "ci_high": 2.0},
                    **{"n_scored": 3, "n_failed": 0},
                }
            }
        }
    }
    (path / "run.json").write_text(json.dumps(data))
    folder = path / "librispeech"
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    base = samples[0]
    wanted = {**HOSTILE, "rtl": RTL, "long": LONG}
    lines = []
    for name, text in wanted.items():
        lines.append(
            base
            | {
                "id": f"{name} {text[:200]}",
                "output": {"text": text},
                "references": [text],
                "cluster": text[:200],
                "meta": {text[:80]: text[:200]},
                "prompt": [{"text": text}, {"audio": text[:150], "sha256": "0" * 64}],
            }
        )
    error = {"stage": "generate", "type": HOSTILE["script"], "message": HOSTILE["onerror"]}
    lines.append(base | {"id": "failed", "status": "failed", "output": None, "error": error})
    surrogates = json.dumps(base | {"id": "surrogate"}).replace(
        '"text": "x"', '"text": "a\\ud800b"'
    )
    text = "".join(json.dumps(line) + "\n" for line in lines) + surrogates + "\n"
    (folder / "samples.jsonl").write_text(text)
    (folder / "stats.jsonl").write_text("")
    return path


@pytest.fixture(scope="module", params=["file", "folder"])
def page(request, browser, world, run):
    out = world.folder / "hostile" / ("page.html" if request.param == "file" else "pages")
    return write_html(world.reports([run]), out)


def look_at(browser, name):
    """Choose the sample whose id starts with a name."""
    browser.wait(
        "const row = [...document.querySelectorAll('.row')]"
        ".find((row) => row.dataset.id.startsWith(arguments[0])); if (row) row.click(); return row",
        f"{name} ",
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_text(browser, page, name):
    browser.open(page, "#task-0")
    browser.wait("return document.querySelector('.row') !== null")
    look_at(browser, name)
    text = HOSTILE[name]
    for code in ("\u2028", "\u2029", "\x00", "\x1b"):
        text = text.replace(code, f"U+{ord(code):04X}")
    assert browser.text(".side pre") == text  # the output
    assert text in browser.text(".texts")  # the reference
    assert browser.text("#sample-title") == f"Sample {name} {text}"
    inside = "return document.querySelectorAll('main :is(script, iframe, svg, style, link, base)')"
    assert browser.js(f"{inside}.length") == 0
    assert browser.js("return document.querySelectorAll('main a[href^=javascript]').length") == 0
    assert browser.js("return getComputedStyle(document.body).display") != "none"
    browser.assert_quiet()


def test_direction_overrides_are_visible_and_confined(browser, page):
    browser.open(page, "#task-0")
    browser.wait("return document.querySelector('.row') !== null")
    look_at(browser, "rtl")
    assert browser.text(".side pre") == "userU+202Egnp.exeU+2066U+202C"
    assert browser.all_text(".side pre .control") == ["U+202E", "U+2066", "U+202C"]
    isolate = "return getComputedStyle(document.querySelector('.side pre')).unicodeBidi"
    assert browser.js(isolate).startswith("isolate")
    browser.assert_quiet()


def test_a_megabyte_is_cut_with_its_length_said(browser, page):
    browser.open(page, "#task-0")
    browser.wait("return document.querySelector('.row') !== null")
    look_at(browser, "long")
    assert len(browser.text(".side pre")) < 5000
    browser.js("document.querySelector('.side button').click()")
    assert browser.text(".side pre").endswith("[cut: 1,050,000 characters in all]")
    assert page.stat().st_size < 2_000_000
    browser.assert_quiet()


def test_lone_surrogates_and_errors(browser, page):
    browser.open(page, "#task-0")
    browser.wait("return document.querySelector('.row') !== null")
    browser.set("#search", "surrogate", "input")
    browser.wait("return document.querySelector('#sample-title').textContent.includes('surrogate')")
    assert browser.text(".side pre") == "a\ufffdb"
    browser.set("#search", "", "input")
    browser.set("#status", "failed")
    browser.wait("return document.querySelector('.side .problem') !== null")
    assert HOSTILE["script"] in browser.text(".side .problem")
    assert HOSTILE["onerror"] in browser.text(".side .problem")
    browser.assert_quiet()


@pytest.mark.parametrize("fragment", ["#overview", "#failures", "#definitions"])
def test_every_view_of_a_hostile_run(browser, page, fragment):
    browser.open(page, fragment)
    assert "<script>window.__pwned = 20</script>" in browser.text("#main")
    assert "<script>window.__pwned = 20</script>" in browser.driver.title
    browser.assert_quiet()


def test_a_group_name_stays_text(browser, page):
    browser.open(page, "#task-0")
    assert "<b onclick=x>" in browser.all_text("details table tbody th")
    browser.assert_quiet()


def test_hostile_leaderboard(browser, world, run):
    out = world.folder / "hostile-site"
    title = "</title><script>window.__pwned = 30</script>"
    page = write_site(find_runs([world.folder / "runs"]), out, title=title, reports=False)
    browser.open(page)
    assert browser.text("h1") == title
    assert "<script>window.__pwned = 20</script>" in browser.all_text("tbody th .foreign")
    browser.assert_quiet()

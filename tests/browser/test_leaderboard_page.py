"""The leaderboard in a real browser: filters, sorts, keeps groups apart, links to reports."""

from __future__ import annotations

import json
import shutil

import pytest

from mio_eval.report.html.site import write_site
from mio_eval.report.leaderboard import find_runs


@pytest.fixture(scope="module")
def site(world, speech, captions):
    """Two transcribers, a captioner with failures (left out), and one that is still running."""
    running = world.folder / "runs" / "running"
    running.mkdir()
    data = json.loads((captions / "run.json").read_text()) | {"status": "running"}
    (running / "run.json").write_text(json.dumps(data))
    path = speech[1] / "run.json"
    data = json.loads(path.read_text())
    data["model"]["extra"] = {"parameters": 7_240_000_000}
    path.write_text(json.dumps(data))
    found = find_runs([world.folder / "runs"])
    return write_site(found, world.folder / "site", title="Our board")


@pytest.fixture
def board(browser, site):
    browser.open(site)
    yield browser
    browser.assert_quiet()


def models(browser, number=0):
    script = """
    const group = document.querySelectorAll(".group")[arguments[0]];
    return [...group.querySelectorAll("tbody th .foreign")].map((e) => e.textContent);
    """
    return browser.js(script, number)


def test_groups_are_kept_apart(board):
    assert board.text("h1") == "Our board"
    assert len(board.all_text(".group")) == 2
    assert "MIO-Base" in models(board, 0)
    assert "exact" not in models(board, 0)
    assert models(board, 1) == ["exact", "careless"]
    assert "SAMPLE" in board.all_text(".group h3")[1]


def test_runs_left_out_are_listed_with_the_reason(board):
    text = board.all_text("#excluded tbody tr")
    assert any(row.startswith("running") and "not finished" in row for row in text)
    assert any("3 of 20 samples failed" in row for row in text)


def press(browser, column):
    """Press a heading of the first group."""
    script = "document.querySelector('.group').querySelectorAll('.sortable')[arguments[0]].click()"
    browser.js(script, column)


def test_sorts_by_any_column(board):
    assert models(board)[0] in ("Wav2vec 2.0", "Whisper Large V2")
    press(board, 0)
    names = models(board)
    assert names == sorted(names, key=str.lower)
    press(board, 0)
    assert models(board) == sorted(names, key=str.lower, reverse=True)
    press(board, 1)
    assert models(board)[-1] == "MIO-Instruct"  # 10.3, the highest error rate
    states = board.js("return [...document.querySelectorAll('[aria-sort]')].map((e) => e.ariaSort)")
    assert states == ["ascending"]


def test_filters(board):
    board.set("#model", "mio-", "input")
    assert models(board) == ["MIO-Base", "MIO-Instruct"]
    board.set("#model", "", "input")
    board.set("#size", "medium")
    assert set(models(board)) == {"AnyGPT", "MIO-Base", "MIO-Instruct"}
    assert models(board, 1) == ["careless"]
    assert "7.24B" in board.all_text(".group tbody td")
    board.set("#size", "")
    board.set("#flagged", "clean")
    assert len(board.all_text(".group")) == 1
    board.set("#flagged", "all")
    board.set("#modality", "audio → text")
    assert len(board.all_text(".group")) == 2
    board.set("#task", "librispeech")
    assert board.count().endswith("rows")


def test_intervals_and_best(board):
    assert "[0.00, 0.00]" in board.all_text(".group .below")
    assert "2.7" in board.js(
        "return [...document.querySelectorAll('.group')][0].querySelector('strong').textContent"
    )


def test_link_leads_to_the_runs_report(browser, site):
    browser.open(site)
    target = browser.js("return document.querySelector('.group a').href")
    browser.driver.get(target)
    browser.wait("return document.documentElement.dataset.ready === 'true'")
    assert browser.all_text("main .card h3 a") == ["librispeech"]
    browser.assert_quiet()


def test_json_and_csv_lie_beside_it(board, site):
    for name in ("leaderboard.json", "leaderboard.csv"):
        assert board.js("return document.querySelector(arguments[0]) !== null", f"a[href='{name}']")
        assert (site.parent / name).is_file()


def test_a_score_bears_flags_that_its_group_does_not(browser, speech, tmp_path):
    """The primary metric follows the protocol on sample data, the other one does not."""
    shutil.copytree(speech[0], tmp_path / "runs" / "one")
    path = tmp_path / "runs" / "one" / "run.json"
    data = json.loads(path.read_text())
    data["tasks"]["librispeech"]["metrics"]["cer"]["norm"] = "none"
    path.write_text(json.dumps(data))
    found = find_runs([tmp_path / "runs"])
    browser.open(write_site(found, tmp_path / "site", title="B", published=False, reports=False))
    assert browser.all_text(".group h3 .tag") == ["SAMPLE"]
    assert browser.all_text(".group tbody .tag") == ["OTHER SETTINGS"]
    browser.assert_quiet()

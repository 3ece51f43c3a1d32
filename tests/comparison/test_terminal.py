"""What `compare` prints: every number's place, loud notes, hostile outputs as text."""

from __future__ import annotations

import io

from prediction_runs import SPEECH_IDS
from rich.console import Console

from mio_eval import compare
from mio_eval.comparison.terminal import number, print_comparison, probability


def shown(result, width=110):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_comparison(result, console)
    return console.file.getvalue()


def test_table_and_notes(runs):
    one = runs("coco_caption,librispeech", name="a")
    two = runs("librispeech", drop=2, change={SPEECH_IDS[0]: "no"}, name="b")
    text = shown(compare(one, two, metrics=["wer"]))
    lines = [line.split() for line in text.splitlines()]
    assert ["librispeech"] in lines
    (row,) = [line for line in lines if line[:2] == ["wer", "↓"]]
    assert row[2] == "0.00"
    assert row[-1] == "n.s."
    assert "10 shared samples in 3 clusters, win/tie/loss 0/9/1" in text
    assert "10 samples scored in both; 2 only in the first, 0 only in the second" in text
    assert "FAILED SAMPLES: 0 of 12 in" in text
    assert "not compared: task coco_caption is in" in text
    assert f"{SPEECH_IDS[0]}: 0.00 → 100.00" in text


def test_hostile_outputs_stay_text(runs):
    hostile = "\x1b[2J\x1b]8;;http://x\x07 [bold red]boo[/] \u202e \r\n second line"
    one, two = runs(name="a"), runs(change=dict.fromkeys(SPEECH_IDS, hostile), name="b")
    text = shown(compare(one, two, metrics=["wer"]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold red]boo[/]" in text
    assert all(len(line) < 200 for line in text.splitlines())


def test_allowed_differences_are_printed(runs):
    one, two = runs(name="a"), runs(name="b", separator=" ")
    text = shown(compare(one, two, allow_different=["separator"]))
    assert "ALLOWED DIFFERENCE" in text
    assert r"separator is '\n' / ' '" in text


def test_formats():
    assert [probability(p) for p in (None, 0.0001, 0.001, 0.0456, 1.0)] == [
        "–",
        "<0.001",
        "0.001",
        "0.046",
        "1.000",
    ]
    assert number(-0.123456, "") == "-0.1235"
    assert number(12.345, "%", signed=True) in ("+12.35", "+12.34")
    assert number(None, "%") == "–"

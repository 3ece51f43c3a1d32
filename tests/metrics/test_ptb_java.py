"""The PTB tokenizer against the original, run in Java; and what is said where that cannot run."""

from __future__ import annotations

import importlib.util
import random
import shutil
from pathlib import Path

import pytest
from metrics.ptb_cases import KNOWN_DIFFERENCES, LINE_SEPARATORS, coco_cases, needs_java

from mio_eval.errors import RunError, UsageError
from mio_eval.metrics import ptb_java
from mio_eval.metrics.ptb import ptb_tokenize_many
from mio_eval.metrics.ptb_java import java_ptb_tokenize_many

# fmt: off
FRAGMENTS = [
    "“", "”", "‘", "’s", "'s", " – ", "—", "...", "…", "!!", "?!", " & ", "&amp;", " <s> ",
    "</s>", "<unk>", " http://example.com/a.jpg", " www.site.com/page", " user@mail.com",
    " @user", " #tag", " $5", " €20", " £3.50", " 50%", " 1,000", " 1/2", " 2 1/2", " 10:30",
    " 5 p.m.", " U.S.", " St.", " No. 5", " (a cat)", " [x]", ' "quoted"', " 'single'",
    " don't", " don’t", " cannot", " dogs’", "😀", " 日本語のテキスト", " café", " Привет мир",
    " مرحبا",
    " half-eaten", " A.", " J. Smith", " Mr. Brown", " e.g.", " etc.", " Ph.D.", " 6'2\"",
    " c++", " ½", "\n", "\u2028", "\t", "\xa0", " **bold** ", " and/or", " :)", " <3", " =>",
    " 1990s", " '90s", " rock 'n' roll", " o’clock", " y'all", ".", ",", ";", ":", "!", "?",
    " ---", " 24/7", " -5", " (555) 123-4567",
]
# fmt: on


def hostile(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    captions = [caption for caption, _ in coco_cases()]
    made = []
    for _ in range(count):
        text = rng.choice(captions)
        for _ in range(rng.randint(1, 4)):
            spaces = [i for i, char in enumerate(text) if char == " "] or [0]
            cut = rng.choice(spaces)
            text = text[:cut] + rng.choice(FRAGMENTS) + text[cut:]
        made.append(text)
    return made


@pytest.mark.java
@needs_java
def test_equal_to_live_java_on_generated_captions() -> None:
    captions = [*hostile(4000, seed=5), "", " ", *hostile(10, seed=6), ""]
    theirs = java_ptb_tokenize_many(captions)
    ours = ptb_tokenize_many(captions)
    assert [c for c, a, b in zip(captions, ours, theirs, strict=True) if a != b] == []


@pytest.mark.java
@needs_java
def test_known_differences_are_still_differences() -> None:
    found = java_ptb_tokenize_many(list(KNOWN_DIFFERENCES))
    assert [" ".join(tokens) for tokens in found] == [d[1] for d in KNOWN_DIFFERENCES.values()]


@pytest.mark.java
@needs_java
def test_java_keeps_captions_apart() -> None:
    captions = [f"one{separator}two" for separator in LINE_SEPARATORS] + ["\ud800", "last"]
    assert java_ptb_tokenize_many(captions) == [["one", "two"]] * 8 + [[], ["last"]]
    assert java_ptb_tokenize_many([]) == []


def test_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="install Java 8 or later and mio-eval"):
        java_ptb_tokenize_many(["a dog"])


def test_without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/java")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="or use tokenizer=ptb"):
        java_ptb_tokenize_many(["a dog"])


def test_failing_program_and_lost_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "java"
    monkeypatch.setattr(ptb_java, "_find_java", lambda: str(program))
    monkeypatch.setattr(ptb_java, "_find_jar", lambda: tmp_path / "x.jar")
    with pytest.raises(UsageError, match="could not be started"):
        java_ptb_tokenize_many(["a dog"])
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(RunError, match="exit code 3: broken"):
        java_ptb_tokenize_many(["a dog"])
    program.write_text("#!/bin/sh\nprintf 'a dog\\n'\n")
    with pytest.raises(RunError, match="returned 2 lines for 3 captions"):
        java_ptb_tokenize_many(["a", "b", "c"])
    program.write_text("#!/bin/sh\nexec sleep 5\n")
    with pytest.raises(RunError, match="did not end within"):
        java_ptb_tokenize_many(["a"], timeout=0.2)

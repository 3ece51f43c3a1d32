"""Whisper's normalisers give openai/whisper's values, quickly, without torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from golden_files import read_golden
from hypothesis import given, settings
from hypothesis import strategies as st

from mio_eval.errors import UsageError
from mio_eval.metrics import normalizers
from mio_eval.metrics.normalizers import NAMES, normalizer

DATA = Path(normalizers.__file__).parent / "data"


@pytest.fixture(scope="module")
def golden():
    return read_golden("asr/normalizer_golden.json.gz")


@pytest.mark.parametrize(
    ("name", "column"),
    [("whisper-en", "english"), ("whisper-basic", "basic"), ("none", "input")],
)
def test_equals_the_official_values(golden, name, column):
    normalize = normalizer(name)
    rows = golden["rows"]
    assert len(rows) == 1150
    assert [normalize(row["input"]) for row in rows] == [row[column] for row in rows]


def test_passes_the_official_assertions(golden):
    """The official tests call three parts of the normaliser: numbers, spellings and the whole."""
    module = normalizers._whisper_module()
    table = json.loads((DATA / "whisper_english_spelling.json").read_bytes())
    parts = [
        normalizer("whisper-en"),
        module.EnglishNumberNormalizer(),
        module.EnglishSpellingNormalizer(table),
    ]
    assertions = golden["official_test_assertions"]
    assert len(assertions) == 60
    for text, expected in assertions:
        assert expected in [part(text) for part in parts], text


def test_spelling_table_is_the_vendored_one():
    digest = hashlib.sha256((DATA / "whisper_english_spelling.json").read_bytes()).hexdigest()
    assert digest in (DATA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("  \t\n ", ""),
        ("She\tsaid\n\nHELLO.", "she said hello"),
        ("one oh one colours", "101 colors"),
        ("$0.36", "¢36"),
        ("[noise] the (uh) cause of it", "the cause of it"),
        ("\ud800 a", "\ud800 a"),
    ],
)
def test_english_examples(text, expected):
    assert normalizer("whisper-en")(text).strip() == expected


def test_a_number_beyond_pythons_limit_is_an_error_not_a_text():
    with pytest.raises(ValueError, match=r"digits|fraction"):
        normalizer("whisper-en")("1" * 5000)


@pytest.fixture(scope="module")
def guarded_and_raw():
    module = normalizers._whisper_module()
    raw = [module.EnglishTextNormalizer({}), module.BasicTextNormalizer()]
    return [(normalizers._linear_time(normalize), normalize) for normalize in raw]


pieces = [
    *"(<[{)>]} \t\n\u00a0\x1c\u0338\u0301'.,$%¢1a-",
    "'s",
    "got",
    "'d",
    "been",
    "n't",
    "mm",
    "st",
]


@given(st.lists(st.sampled_from(pieces), max_size=30).map("".join) | st.text(max_size=60))
@settings(max_examples=300)
def test_linear_time_guard_changes_nothing(guarded_and_raw, text):
    for guarded, raw in guarded_and_raw:
        assert guarded(text) == raw(text)


@pytest.mark.parametrize("name", ["whisper-en", "whisper-basic"])
@pytest.mark.parametrize("unit", ["(", "<", "[", " ", "a (", "[noise] "])
def test_degenerate_text_takes_linear_time(name, unit):
    text = unit * (100_000 // len(unit))  # the unguarded patterns need a minute and more
    start = time.perf_counter()
    normalizer(name)(text)
    assert time.perf_counter() - start < 5


def test_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown normaliser 'whisper_en'; did you mean"):
        normalizer("whisper_en")
    assert NAMES == ("whisper-en", "whisper-basic", "none", "seed-tts-en", "seed-tts-zh")


def test_missing_transformers_is_a_usage_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    normalizer.cache_clear()
    try:
        for name in ("whisper-en", "whisper-basic"):
            with pytest.raises(UsageError, match=r"install mio-eval\[speech\]"):
                normalizer(name)
        assert normalizer("none")("A b") == "A b"
    finally:
        normalizer.cache_clear()


def test_a_transformers_without_the_file_is_a_usage_error(monkeypatch, tmp_path):
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers" / "__init__.py").touch()
    for module in [m for m in sys.modules if m.split(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"install mio-eval\[speech\]"):
        normalizers._whisper_module()


def test_needs_neither_torch_nor_the_transformers_package():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from mio_eval.metrics.normalizers import normalizer\n"
        "assert normalizer('whisper-en')('Twenty-one COLOURS!').strip() == '21 colors'\n"
        "assert normalizer('whisper-basic')('Twenty-one!').strip() == 'twenty one'\n"
        "assert not {'transformers', 'huggingface_hub'} & set(sys.modules)\n"
    )
    root = Path(normalizers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""METEOR against pycocoevalcap's values; both programs' failures, with scripts in Java's place."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from metrics.caption_cases import EDGE_CASES, fakecap_golden, fakecap_tokens

from mio_eval.engine.score import Rows, score_records
from mio_eval.errors import RunError, UsageError
from mio_eval.metrics import java_scorers
from mio_eval.metrics.captioning_java import Spice
from mio_eval.metrics.java_scorers import (
    SpiceResult,
    meteor_from_statistics,
    meteor_scores,
    spice_scores,
    why_unavailable,
)

MISSING = why_unavailable("meteor")
posix = pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for Java")
needs_meteor = [
    pytest.mark.java,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]


class TestMeteor:
    pytestmark = needs_meteor

    def test_fakecap(self):
        golden, tokens = fakecap_golden(), fakecap_tokens()
        ids = list(tokens["gts"])
        result = meteor_scores([tokens["res"][i][0] for i in ids], [tokens["gts"][i] for i in ids])
        expected = [golden["per_image"][i]["METEOR"] for i in ids]
        np.testing.assert_allclose(result.per_image, expected, rtol=0, atol=1e-9)
        assert result.corpus == pytest.approx(0.19525467177780284, abs=1e-9)
        again = meteor_from_statistics(result.statistics)
        np.testing.assert_allclose(again, result.per_image, rtol=0, atol=1e-12)
        total = float(meteor_from_statistics(result.statistics.sum(0)))
        assert total == pytest.approx(result.corpus, abs=1e-12)

    def test_edge_cases_and_characters_of_the_protocol(self):
        """All in one run: an image's score does not depend on the others."""
        hypotheses, references, expected = [], [], []
        for case in EDGE_CASES.values():
            hypotheses += [c for (c,) in case["res"].values()]
            references += list(case["gts"].values())
            expected += case["METEOR"]["per_image"]
        hypotheses += ["a cat |||on\na mat\u2028", "", "café ☃ \ud800"]
        references += [["a ||| cat on a mat", "|||"], [""], ["café ☃ \ud800"]]
        result = meteor_scores(hypotheses, references)
        np.testing.assert_allclose(result.per_image[:-3], expected, rtol=0, atol=1e-9)
        assert result.per_image[-3:].tolist() == [1.0, 0.0, 1.0]
        again = meteor_from_statistics(result.statistics)
        np.testing.assert_allclose(again, result.per_image, rtol=0, atol=1e-12)

        start = 0
        for case in EDGE_CASES.values():
            rows = slice(start, start := start + len(case["gts"]))
            corpus = float(meteor_from_statistics(result.statistics[rows].sum(0)))
            assert corpus == pytest.approx(case["METEOR"]["score"], abs=1e-9)


def test_meteor_from_statistics_takes_leading_axes():
    row = [6.0, 5, 3, 3, 1, 1, 3, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 5]
    scores = meteor_from_statistics(np.array([[row, row], [row, [0.0] * 23]]))
    assert scores.shape == (2, 2)
    assert scores[0, 0] == scores[1, 0] > scores[1, 1] == 0.0
    with pytest.raises(ValueError, match="statistics"):
        meteor_from_statistics(np.zeros(22))


@pytest.fixture
def fake_java(tmp_path, monkeypatch):
    """Put a shell script in the place of Java, and empty files in that of the programs."""

    def install(script, version="11.0.2"):
        java = tmp_path / "java"
        java.write_text(
            f'#!/bin/sh\nif [ "$1" = -version ]; then\n'
            f"  echo 'openjdk version \"{version}\"' >&2; exit\nfi\n{script}\n"
        )
        java.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        jar = tmp_path / "program.jar"
        jar.touch()
        monkeypatch.setattr(java_scorers, "_packaged", lambda _file: jar)

    return install


@posix
class TestFailures:
    @pytest.mark.parametrize("scorer", [meteor_scores, spice_scores])
    def test_java_stops(self, fake_java, scorer):
        fake_java("echo out of luck >&2; exit 3")
        with pytest.raises(RunError, match=r"failed \(exit code 3\): out of luck"):
            scorer(["a cat"] * 9, [["a cat"]] * 9)

    @pytest.mark.parametrize("scorer", [meteor_scores, spice_scores])
    def test_java_hangs(self, fake_java, scorer):
        fake_java("sleep 60; true")  # a child, which holds the pipes too
        started = time.monotonic()
        with pytest.raises(RunError, match=r"took more than 0\.3 s"):
            scorer(["a cat"], [["a cat"]], timeout_s=0.3)
        assert time.monotonic() - started < 10

    def test_java_talks_nonsense(self, fake_java):
        fake_java("while read line; do echo hello; done")
        with pytest.raises(RunError, match="METEOR failed"):
            meteor_scores(["a cat"], [["a cat"]])

    def test_much_error_output_blocks_nothing(self, fake_java):
        row = " ".join(["1.0"] * 23)
        fake_java(
            "head -c 1000000 /dev/zero >&2; read a; "
            f"echo {row}; read b; [ \"$b\" = 'EVAL ||| {row}' ] && echo 0.25 && echo 0.5"
        )
        result = meteor_scores(["a cat"], [["a cat"]])
        assert (result.corpus, result.per_image.tolist()) == (0.5, [0.25])


@posix
def test_spice_reads_what_the_program_writes(fake_java):
    fake_java(
        'while [ "$1" != -out ]; do shift; done\n'
        'echo \'[{"image_id": 1, "scores": {"All": {"f": 0.5}}},'
        ' {"image_id": 0, "scores": {"All": {"f": 0.25}}}]\' > "$2"'
    )
    result = spice_scores(["a cat", "a dog"], [["a cat"], ["a dog"]])
    assert result.per_image.tolist() == [0.25, 0.5]
    assert result.corpus == 0.375


@posix
@pytest.mark.parametrize(
    ("version", "spice"), [("1.8.0_292", True), ("14.0.1", True), ("15", False), ("1.7.0", False)]
)
def test_versions_of_java(fake_java, version, spice):
    fake_java("exit 1", version)
    assert why_unavailable("meteor") is None
    assert (why_unavailable("spice") is None) is spice


def test_no_java(monkeypatch):
    monkeypatch.setenv("PATH", "")
    for name in ("meteor", "spice"):
        assert "install a Java runtime" in why_unavailable(name)
    with pytest.raises(UsageError, match=r"METEOR is unavailable: Java was not found"):
        meteor_scores(["a"], [["a"]])
    with pytest.raises(UsageError, match=r"SPICE is unavailable: Java was not found"):
        spice_scores(["a"], [["a"]])


def test_no_pycocoevalcap(monkeypatch):
    monkeypatch.setattr(java_scorers.importlib.util, "find_spec", lambda _name: None)
    for name in ("meteor", "spice"):
        assert "pip install 'mio-eval[caption]'" in why_unavailable(name)


def test_no_corenlp(monkeypatch):
    monkeypatch.setattr(
        java_scorers, "_packaged", lambda file: None if "corenlp" in file else Path(file)
    )
    assert "stanford-corenlp-3.6.0.jar" in why_unavailable("spice")


def test_misuse():
    with pytest.raises(UsageError, match="did you mean meteor"):
        why_unavailable("meteors")
    with pytest.raises(ValueError, match="no caption"):
        meteor_scores([], [])
    with pytest.raises(ValueError, match="no reference"):
        meteor_scores(["a"], [[]])
    with pytest.raises(ValueError, match="1 hypotheses for 0"):
        spice_scores(["a"], [])


def test_a_caption_without_f_score_fails_alone(monkeypatch):
    """The program has no F-score for some captions: no number, and no end of the run."""
    calls = []

    def scores(hypotheses, references):
        calls.append(list(hypotheses))
        per_image = np.array([math.nan if h == "hm" else 0.25 for h in hypotheses])
        return SpiceResult(float(per_image.mean()), per_image)

    monkeypatch.setattr("mio_eval.metrics.captioning_java.spice_scores", scores)
    metric, rows = Spice(), {"spice": Rows()}
    records = [
        {"id": i, "cluster": i, "output": {"text": text}, "references": ["a dog"]}
        for i, text in (("1", "a cat"), ("2", "hm"), ("3", "two cats"))
    ]
    lines = list(score_records(records, [metric], rows))
    assert [line["stats"].get("spice") for line in lines] == [[0.25, 1.0], None, [0.25, 1.0]]
    assert lines[1]["errors"]["spice"]["message"] == "spice: the program gives sample 2 no F-score"
    assert rows["spice"].failed == 1
    assert len(calls) == 1

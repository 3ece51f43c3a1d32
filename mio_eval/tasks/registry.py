"""Finds tasks by name: shipped files, a user's own folders, plug-ins, and groups of them."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import UsageError, unknown
from ..plugins import entry_points
from ..shipped import shipped
from .schema import PLAIN, Dataset, Hub, Likelihood, Protocol, Published, Split, TaskFile

try:  # safe either way; the C one is faster
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

TASK_PATH = "MIO_EVAL_TASKS"  # folders of a user's own task files, separated as in PATH
ENTRY_POINTS = "mio_eval.tasks"
GROUPS = "groups.toml"


@dataclass(frozen=True, slots=True)
class Task:
    """A task file and the split to run: what `coco_caption` or `librispeech:test-other` names."""

    file: TaskFile
    split: str
    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """The task's name, with the split where it is not the default one."""
        if self.split == self.file.dataset.default_split:
            return self.file.name
        return f"{self.file.name}:{self.split}"

    @property
    def directory(self) -> str:
        """The name as a folder of a run directory (no colon, for file systems that forbid it)."""
        return self.name.replace(":", "@")

    @property
    def spec(self) -> Split:
        """What the task file says of the split."""
        return self.file.dataset.splits[self.split]

    @property
    def reader(self) -> str:
        """The reader for the split's layout on disk."""
        return self.spec.reader or self.file.dataset.reader

    def prompt(self, style: str) -> str:
        """Return the template of a prompt style. Raises UsageError for an unknown one."""
        if style not in self.file.prompts:
            raise unknown(f"prompt style for task {self.name}", style, self.file.prompts)
        return self.file.prompts[style]

    def style_for(self, preferred: Iterable[str]) -> str:
        """Return the first of a model's preferred styles that the task has, else `plain`."""
        return next((style for style in preferred if style in self.file.prompts), PLAIN)


class _Loader(SafeLoader):
    """A safe loader that refuses a key given twice, which YAML readers else take silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"key {key.value!r} is given twice; keep one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_task_file(path: Path) -> TaskFile:
    """Read and check one task file. Raises UsageError naming file, field and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.load(text, Loader=_Loader)  # noqa: S506
    except OSError as error:
        raise UsageError(f"cannot read task file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise UsageError(f"{path}{line}: {problem}; correct the YAML") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: a task file is a mapping that starts with 'name: …'")
    try:
        return TaskFile.model_validate(data)
    except ValidationError as error:
        raise UsageError(_explain(path, error)) from error


# Where a field of a task file holds fields of its own.
_PARTS: dict[str | int, type[BaseModel]] = {
    "dataset": Dataset,
    "splits": Split,
    "hub": Hub,
    "likelihood": Likelihood,
    "published": Published,
    "protocol": Protocol,
}


def _explain(path: Path, error: ValidationError) -> str:
    """Say the first problem of a task file: file, field, what is wrong, what to do."""
    first = error.errors(include_url=False)[0]
    loc = first["loc"]
    field = "".join(f"{part}: " for part in [".".join(map(str, loc))] if part)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        model = next((_PARTS[part] for part in reversed(loc[:-1]) if part in _PARTS), TaskFile)
        remedy = str(unknown("field", str(loc[-1]), model.model_fields)).partition("; ")[2]
        message = f"no such field; {remedy}"
    elif first["type"] == "missing":
        message = "is missing; add it"
    elif first["type"] != "value_error":
        message = f"{message}, got {first['input']!r:.60}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{path}: {field}{message}{more}"


def task_folders() -> Iterator[Path]:
    """Yield the folders of task files: the user's first, then the shipped one, then plug-ins."""
    for folder in filter(None, os.environ.get(TASK_PATH, "").split(os.pathsep)):
        if not Path(folder).is_dir():
            raise UsageError(
                f"${TASK_PATH} names {folder}, which is no folder; correct it or unset it"
            )
        yield Path(folder)
    yield shipped("tasks")
    for entry in entry_points(group=ENTRY_POINTS):
        yield Path(entry.load()())


def task_paths() -> dict[str, Path]:
    """Return task name → file. The name is the file's; an earlier folder wins."""
    found: dict[str, Path] = {}
    for folder in task_folders():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def get_task(name: str) -> Task:
    """Find `task` or `task:split`. Raises UsageError with the nearest names."""
    base, _, split = name.partition(":")
    paths = task_paths()
    if base not in paths:
        raise unknown("task", base, {*paths, *task_groups()})
    path = paths[base]
    file = load_task_file(path)
    if file.name != base:
        raise UsageError(
            f"{path}: name: {file.name!r} must be the file's name {base!r}; rename one"
        )
    split = split or file.dataset.default_split
    if split not in file.dataset.splits:
        raise unknown(f"split of {base}", split, file.dataset.splits)
    return Task(file, split, path, hashlib.sha256(path.read_bytes()).hexdigest())


def task_groups() -> dict[str, tuple[str, ...]]:
    """Return group → members, from every folder's groups.toml; an earlier folder wins."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in task_folders():
        path = folder / GROUPS
        if not path.is_file():
            continue
        try:
            groups = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}; correct the TOML") from error
        for name, members in groups.items():
            if not isinstance(members, list) or not all(isinstance(m, str) for m in members):
                raise UsageError(f"{path}: {name}: expected a list of task names")
            found.setdefault(name, tuple(members))
    return found


def expand(names: Iterable[str], groups: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Replace groups by their members, groups of groups too."""
    for name in names:
        if name in groups:
            inner = {group: members for group, members in groups.items() if group != name}
            yield from expand(groups[name], inner)
        else:
            yield name


def get_tasks(names: Iterable[str]) -> list[Task]:
    """Resolve a list of task and group names, each task once, in the order given."""
    tasks: dict[str, Task] = {}
    for name in expand(names, task_groups()):
        task = get_task(name)
        tasks.setdefault(task.name, task)
    if not tasks:
        raise UsageError("no task given; name one or more, for example --tasks coco_caption")
    return list(tasks.values())


def all_tasks() -> list[Task]:
    """Load every task, with its default split."""
    return [get_task(name) for name in sorted(task_paths())]

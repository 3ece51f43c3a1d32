"""Says in which model-independent settings two runs of a task differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..errors import unknown
from ..types import Json

FIELDS = (
    *("task", "split", "prompt_style", "prompt", "separator", "generation", "judges"),
    *("data", "signature", "published"),
)
"""The groups of fields that are compared."""

# What says which samples were scored. A paired comparison is on the shared samples only, and
# whether those are the same is the data fingerprint's business.
_SAMPLES = ("n", "refs")
_PLAIN = ("split", "prompt_style", "prompt", "separator")
_DATA = ("mode", "reader", "revision", "limit", "n", "sha256")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two results differ in, with both values."""

    task: str
    field: str
    first: Json
    second: Json

    def __str__(self) -> str:
        return f"{self.task}: {self.field} is {_show(self.first)} / {_show(self.second)}"


def differences(task: str, first: Json, second: Json, metrics: Sequence[str]) -> list[Difference]:
    """Compare what two run.json say of a task, apart from the model."""
    return [
        Difference(task, name, one, two)
        for name, one, two in _fields(task, first, second, metrics)
        if one != two
    ]


def _fields(
    task: str, first: Json, second: Json, metrics: Sequence[str]
) -> Iterator[tuple[str, Json, Json]]:
    one, two = first["tasks"][task], second["tasks"][task]
    for key in ("version", "sha256"):
        yield f"task.{key}", one[key], two[key]
    for key in _PLAIN:
        yield key, one.get(key), two.get(key)
    for group in ("generation", "judges"):
        left, right = one.get(group, {}), two.get(group, {})
        for key in sorted({*left, *right}):
            yield f"{group}.{key}", left.get(key), right.get(key)
    left, right = first["data"][task], second["data"][task]
    if left["sha256"] != right["sha256"]:  # equal data are equal wherever they came from
        for key in _DATA:
            yield f"data.{key}", left.get(key), right.get(key)
    for metric in metrics:
        scores = first["results"][task][metric], second["results"][task][metric]
        keys = [signature_keys(score["signature"]) for score in scores]
        for key in dict.fromkeys([*keys[0], *keys[1]]):
            if key not in _SAMPLES:
                yield f"signature.{metric}.{key}", keys[0].get(key), keys[1].get(key)
        for key in ("unit", "higher_is_better"):  # of imported scores, no signature says these
            yield f"signature.{metric}.{key}", scores[0][key], scores[1][key]


def signature_keys(signature: str) -> dict[str, str]:
    """Split `name|key:value|…`; the name stands under `name`."""
    name, *pairs = signature.split("|")
    found = {"name": name}
    for pair in pairs:
        key, _, value = pair.partition(":")
        found[key] = value
    return found


def check_allowed(fields: Iterable[str]) -> None:
    """Refuse an `--allow-different` that names no field at all."""
    for name in fields:
        group = name.partition(".")[0]
        if group not in FIELDS and "*" not in group:
            raise unknown("field for --allow-different", group, FIELDS)


def is_allowed(difference: Difference, allowed: Iterable[str]) -> bool:
    """Tell whether a field is allowed to differ: by its name, a group of it, or a `*` pattern."""
    field = difference.field
    return any(
        field == name or field.startswith(f"{name}.") or fnmatchcase(field, name)
        for name in allowed
    )


def explain(first: str, second: str, found: Sequence[Difference]) -> str:
    """Say what differs, and how to accept it."""
    lines = [f"  {difference}" for difference in found]
    options = " ".join(f"--allow-different {name}" for name in dict.fromkeys(_groups(found)))
    return (
        f"cannot compare {first} with {second}; they differ in (first / second):\n"
        + "\n".join(lines)
        + f"\nmake the runs alike, or accept it, which the output will record: {options}"
    )


def _groups(found: Iterable[Difference]) -> Iterator[str]:
    for difference in found:
        group = difference.field.partition(".")[0]
        yield group if group == "data" else difference.field


def _show(value: Json) -> str:
    if value is None:
        return "absent"
    text = repr(value)
    return text if len(text) <= 90 else f"{text[:87]}…"

"""Options that several commands have, and reading values that are lists or key=value pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer

from ..errors import UsageError

JsonPath: TypeAlias = Annotated[
    str, typer.Option("--json", help="Write JSON to this file; - for standard output")
]
AllowDifferent: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Field that may differ, such as prompt_style or signature.*.v"),
]
AllowPartial: TypeAlias = Annotated[
    bool, typer.Option("--allow-partial", help="Count missing predictions as failed samples")
]
MetricSettings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", help="Metric setting: [metric.]key=value")
]


def comma_list(text: str) -> tuple[str, ...]:
    """Split `a,b,c`, dropping blanks."""
    return tuple(filter(None, (item.strip() for item in text.split(","))))


def key_values(text: str, option: str) -> dict[str, str]:
    """Read `key=value,key=value`. A comma inside a value cannot be written."""
    pairs: dict[str, str] = {}
    for item in comma_list(text):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {item!r}: expected key=value, separated by commas")
        if key in pairs:
            raise UsageError(f"{option}: {key} is given twice")
        pairs[key] = value
    return pairs


def settings(values: Iterable[str]) -> dict[str, str]:
    """Read repeated `--set key=value` options."""
    pairs: dict[str, str] = {}
    for value in values:
        pairs.update(key_values(value, "--set"))
    return pairs


def one_blas_thread() -> None:
    """Keep numpy's matrix products in the calling thread, before numpy is imported.

    Resampling has threads of its own; OpenBLAS's beside them double the processor time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

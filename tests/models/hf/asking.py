"""Backends and families of a folder, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mio_eval.cli import main
from mio_eval.engine.journal import read_journal
from mio_eval.models import create_model
from mio_eval.models.hf.checkpoint import read_checkpoint
from mio_eval.models.hf.family import LoadOptions
from mio_eval.types import Failure, Modality, Request, Text

SETTINGS = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}
ASKED = [Request(str(i), (Text(text),), "text", SETTINGS) for i, text in enumerate(("Hm", "Oh no"))]


def opened(folder: Path | str, **arguments: str) -> Any:
    return create_model("hf", {"pretrained": str(folder), "device": "cpu", **arguments})


def answers(backend: Any, requests: list[Request] = ASKED) -> list[str]:
    backend.load(("text",), "text")
    found = outputs(backend, requests)
    return [found[request.sample_id].text for request in requests]


def made_family(kind: Callable[..., Any], folder: Path, **extra: str) -> Any:
    """Make the family `kind` of a checkpoint on the CPU, not loaded yet."""
    return kind(read_checkpoint(str(folder), None), LoadOptions(device="cpu", extra=extra))


def opened_family(kind: Callable[..., Any], folder: Path, **extra: str) -> Any:
    family = made_family(kind, folder, **extra)
    family.load()
    return family


def outputs(family: Any, requests: Sequence[Request]) -> dict[str, Any]:
    """Return the output to each request by sample id; none may fail or be left out."""
    found = {}
    for response in family.generate(requests):
        assert response.failure is None, response.failure
        found[response.sample_id] = response.output
    assert set(found) == {request.sample_id for request in requests}
    return found


def failure(family: Any, request: Request) -> Failure:
    """Return why the one request failed."""
    (response,) = family.generate([request])
    assert response.output is None
    return response.failure


def drawn_or_spoken(
    folder: Path, task: str, out: Path, *arguments: str, limit: int = 2, **model_args: str
) -> Iterator[tuple[Request, Path]]:
    """Run a task that makes media through the command line, without judges.

    Yields each sample's request, as far as a direct call needs it, and the file that was made.
    """
    given = {"pretrained": str(folder), "device": "cpu", **model_args}
    with pytest.raises(SystemExit) as stopped:
        main(
            ["run", "--model", "hf", "--model-args", ",".join(f"{k}={v}" for k, v in given.items()),
             "--tasks", task, "--data", "sample", "--limit", str(limit), "--out", str(out),
             "--no-cache", *arguments]
        )  # fmt: skip
    assert stopped.value.code == 0
    (journal,) = out.glob(f"*/{task}/samples.jsonl")
    rows = list(read_journal(journal))
    assert [row["error"] for row in rows] == [None] * limit
    for row in rows:
        text = Text("".join(part["text"] for part in row["prompt"]))
        (name,) = (row["output"][kind] for kind in ("image", "audio") if kind in row["output"])
        want: Modality = "image" if "image" in row["output"] else "audio"
        yield Request(row["id"], (text,), want, key=row["key"]), journal.parents[1] / name

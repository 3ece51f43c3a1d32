"""Runs of predictions on small data sets, for what reads finished runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from conftest import captions_of, write_coco, write_jsonl, write_librispeech

from mio_eval.engine import Options, evaluate

COCO_IDS = [str(1000 + i) for i in range(12)]
SPEECH_IDS = [f"{100 + i // 4}-7-{i % 4:04d}" for i in range(12)]
_WORDS = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN"]


def transcript(index: int) -> str:
    """The reference of utterance `index`."""
    return " ".join(_WORDS[: 2 + (index // 4 + index % 4) % 5])


class Runs:
    """Makes run directories: `runs("librispeech", {id: text}, name="a")`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        write_coco(self.data)
        write_librispeech(self.data)
        self._numbers = itertools.count()

    def good(self, task: str) -> dict[str, str]:
        """Right answers to every sample of a task."""
        if task.startswith("librispeech"):
            return {name: transcript(i) for i, name in enumerate(SPEECH_IDS)}
        return {name: captions_of(i)[1] for i, name in enumerate(COCO_IDS)}

    def __call__(
        self,
        tasks: str = "librispeech",
        texts: Mapping[str, str] | None = None,
        *,
        change: Mapping[str, str] | None = None,
        drop: int = 0,
        name: str = "",
        **options: object,
    ) -> Path:
        """Run predictions: right answers, with `change`d texts, without the last `drop`."""
        number = next(self._numbers)
        every: dict[str, str] = {}
        for task in tasks.split(","):
            given = dict(texts if texts is not None else self.good(task))
            given |= {name: text for name, text in (change or {}).items() if name in given}
            every |= dict(list(given.items())[: len(given) - drop])
        path = write_jsonl(
            self.folder / f"p{number}.jsonl", [{"id": i, "text": t} for i, t in every.items()]
        )
        result = evaluate(
            Options(
                tasks=tuple(tasks.split(",")),
                model="predictions",
                model_args={"path": str(path), "name": name or f"model{number}"},
                data_dir=str(self.data),
                out=str(self.folder / "runs"),
                allow_partial=bool(drop),
                **{"max_failures": "100%", **options},
            )
        )
        return Path(result.path)

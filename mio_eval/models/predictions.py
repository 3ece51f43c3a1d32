"""The `predictions` backend: scores outputs that were made elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from .. import __version__
from ..errors import UsageError
from ..jsonio import digest, file_sha256
from ..predictions import Prediction, check_ids, read_predictions
from ..types import MEDIA_TYPES, MODALITIES, Capability, Part, Request, Text
from .base import Backend, ModelIdentity


class Predictions(Backend):
    """Answers each sample with the line of a predictions file that bears its id."""

    name = "predictions"
    capabilities = frozenset(Capability(frozenset(MODALITIES), output) for output in MODALITIES)
    reads_media = False
    by_sample = True

    def __init__(self, path: str = "", name: str = "", style: str = "") -> None:
        if not path:
            raise UsageError("model predictions needs --model-args path=FILE.jsonl")
        self.path = Path(path)
        self._lines: dict[str, Prediction] = read_predictions(self.path)
        self._label = name or self.path.name
        self.prompt_styles = (style,) if style else ()

    def identity(self) -> ModelIdentity:
        return ModelIdentity(
            self.name,
            self._label,
            __version__,
            revision=self._revision,
            extra={"style": self.prompt_styles},
        )

    @cached_property
    def _revision(self) -> str:
        """Hash of the file, and of the media it names: made anew, they bear the same names."""
        sha256 = file_sha256(self.path)
        media = sorted({line.value for line in self._lines.values() if line.modality != "text"})
        if not media:
            return sha256
        files = {name: self.path.parent / name for name in media}
        return digest([sha256, {n: file_sha256(f) for n, f in files.items() if f.is_file()}])

    def preflight(self, known: Collection[str], wanted: Collection[str]) -> None:
        check_ids(self.path, self._lines, known, wanted, allow_partial=self.allow_partial)

    def answer(self, request: Request) -> Part:
        line = self._lines.get(request.sample_id)
        if line is None:
            raise LookupError("no prediction for this sample")
        if line.modality == "text":
            return Text(line.value)
        return MEDIA_TYPES[line.modality](self.path.parent / line.value)  # type: ignore[return-value]

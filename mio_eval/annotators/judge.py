"""Judges that ship with mio-eval: a model loaded on first use, and the media it looks at."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import MioEvalError, unknown
from ..types import MEDIA_TYPES, Failure, Json, Media
from .base import Annotation, Annotator


class Judge(Annotator):
    """A judge with a model, loaded when first needed.

    Args:
        spec: the model, in the words of the role's loader.
        device: torch's name of the device, or "" for the loader's own choice.
    """

    def __init__(self, spec: str, device: str = "") -> None:
        self.spec = spec
        self.device = device
        self._model: Any = None
        self._identity = ""

    @abstractmethod
    def load(self) -> Any:
        """Load the model. Raises UsageError naming model, use and alternative."""

    @property
    def model(self) -> Any:
        """The loaded model."""
        if self._model is None:
            self._model = self.load()
        return self._model

    def identity(self) -> str:
        if not self._identity:
            self._identity = str(self.model.identity)
        return self._identity

    def close(self) -> None:
        self._model = None

    def output(self, record: Json, run: Path) -> Media:
        """Return the generated medium of a record."""
        modality = next(name for name in MEDIA_TYPES if name in record["output"])
        return MEDIA_TYPES[modality](run / record["output"][modality])

    def target(self, record: Json, name: str) -> Media:
        """Return the medium the output is judged against."""
        found = self.targets.get(record["id"], {}).get(name)
        if not isinstance(found, Media):
            raise LookupError(f"no {name} to compare with")
        return found


class ValueJudge(Judge):
    """A judge that says one JSON value of each sample, looking at no other."""

    @abstractmethod
    def judge(self, record: Json, run: Path) -> Json:
        """Judge one output. Any exception fails that sample's annotation."""

    def annotate(self, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
        for record in records:
            try:
                value = self.judge(record, run)
            except MioEvalError:
                raise
            # The per-sample boundary of judging.
            except Exception as error:
                failure = Failure.of("annotate", error)
                yield Annotation(record["id"], failure=failure)
                continue
            yield Annotation(record["id"], value)


class StarterClassifier(Judge):
    """A judge whose only model is the starter's classifier of images."""

    def load(self) -> Any:
        if self.spec != "starter":
            raise unknown(f"model of the judge {self.name}", self.spec, ["starter"])
        from ..models.starter.assets import ASSETS, fetch
        from ..models.starter.efficientnet import Classifier

        return Classifier(fetch(ASSETS["efficientnet-lite0"]) / "efficientnet-lite0.pth")

    def identity(self) -> str:
        return "starter/efficientnet-lite0"

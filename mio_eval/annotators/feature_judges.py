"""Judges that give feature vectors of generated and real images, for distances between sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MioEvalError, UsageError
from ..media.decode import load_image
from ..types import Failure, Json
from .base import Annotation
from .judge import Judge, StarterClassifier


class FeatureJudge(Judge):
    """Gives float32 (2, d): the features of the generated and of the real image."""

    def annotate(self, records: Sequence[Json], run: Path) -> Iterator[Annotation]:
        decoded: dict[str, list[Any]] = {}
        for record in records:
            try:
                pair = [self.output(record, run), self.target(record, "image")]
                decoded[record["id"]] = [load_image(image) for image in pair]
            except MioEvalError:
                raise
            # The per-sample boundary of judging.
            except Exception as error:
                yield Annotation(record["id"], failure=Failure.of("annotate", error))
        yield from self._judged(decoded)

    def _judged(self, decoded: Mapping[str, list[Any]]) -> Iterator[Annotation]:
        """Run the network once for all samples; if that fails, sample by sample."""
        try:
            found = self.features([image for pair in decoded.values() for image in pair])
        except MioEvalError:
            raise
        except Exception as error:
            if len(decoded) == 1:
                yield Annotation(next(iter(decoded)), failure=Failure.of("annotate", error))
                return
            for sample_id, pair in decoded.items():
                yield from self._judged({sample_id: pair})
            return
        for number, sample_id in enumerate(decoded):
            yield Annotation(sample_id, vectors=found[2 * number : 2 * number + 2])

    def features(self, images: Sequence[Any]) -> Any:
        """Return float32 (n, d) of decoded images."""
        return self.model.features(images)


class InceptionJudge(FeatureJudge):
    """Features of FID's own network, from a file of its weights or one on the hub."""

    name = "inception"

    def load(self) -> Any:
        from .fid_features import InceptionFeatures, find_weights

        if not self.spec:
            raise UsageError(
                "the judge inception needs the weights: --judge inception=FILE, with pytorch-fid's "
                "pt_inception-2015-12-05-6726825d.pth"
            )
        return InceptionFeatures(find_weights(self.spec), self.device or None)


class EffnetJudge(StarterClassifier, FeatureJudge):
    """Features of the starter's classifier: a substitute for Inception, never called FID."""

    name = "effnet"

    def features(self, images: Sequence[Any]) -> Any:
        if not images:
            return np.empty((0, 0), dtype=np.float32)
        return self.model.features(images).numpy()
